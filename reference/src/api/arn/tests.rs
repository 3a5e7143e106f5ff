//! ARNs: the Developer Guide's example, near misses, and printing as the inverse of parsing.

use proptest::prelude::*;

use super::*;

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/Music";
const BACKUP: &str =
    "arn:aws:dynamodb:us-east-1:123456789012:table/Music/backup/01489602797149-73d8d5bc";

#[test]
fn the_guides_example_is_understood() {
    let arn = BackupArn::parse(BACKUP).expect("the example of the tutorial");
    assert_eq!(arn.table.to_string(), TABLE);
    assert_eq!((arn.created_ms, arn.suffix), (1_489_602_797_149, 0x73d8_d5bc));
    assert_eq!(arn.to_string(), BACKUP);
    assert_eq!(arn.table.backup(arn.created_ms, arn.suffix), arn);
}

#[test]
fn everything_else_is_no_backup() {
    for text in [
        TABLE.to_owned(),
        BACKUP.replace("dynamodb", "s3"),
        BACKUP.replace("0148", "148"),
        BACKUP.replace("0148", "00148"),
        BACKUP.replace("73d8d5bc", "73D8D5BC"),
        BACKUP.replace("73d8d5bc", "+3d8d5bc"),
        BACKUP.replace("123456789012", "12345678901"),
        BACKUP.replace("us-east-1", ""),
        BACKUP.replace("Music", "Mu"),
        BACKUP.replace("Music", "Mu sic"),
        BACKUP.replace("/backup/", "/export/"),
        format!("{BACKUP}0"),
        format!("{BACKUP}/backup/01489602797149-73d8d5bc"),
        String::new(),
    ] {
        let error = BackupArn::parse(&text).expect_err(&text);
        assert_eq!(error.message, "Invalid Backup ARN", "{text}");
    }
}

#[test]
fn a_table_is_named_by_name_or_arn() {
    assert_eq!(table_name_of("Music"), Ok("Music"));
    assert_eq!(table_name_of(TABLE), Ok("Music"));
    for text in [BACKUP, "Mu", "a b c", "table/Music", ""] {
        table_name_of(text).expect_err(text);
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(
        table_name in "[a-zA-Z0-9_.-]{3,40}",
        created_ms in 0..100_000_000_000_000u64,
        suffix: u32,
    ) {
        let table =
            TableArn { region: "eu-west-1".into(), account: "000000000001".into(), table_name };
        prop_assert_eq!(TableArn::parse(&table.to_string()), Some(table.clone()));
        let arn = table.backup(created_ms, suffix);
        prop_assert!(arn.to_string().len() >= 37);
        prop_assert_eq!(BackupArn::parse(&arn.to_string()), Ok(arn));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,60}", at in 0..90usize) {
        let mut damaged: Vec<char> = BACKUP.chars().collect();
        damaged.splice(at.min(damaged.len()).., text.chars());
        let damaged: String = damaged.into_iter().collect();
        if let Ok(arn) = BackupArn::parse(&damaged) {
            prop_assert_eq!(arn.to_string(), damaged);
        }
    }
}
