//! What is damaged in the archive is never restored as if it were whole (S 84 and 85).

use super::common::{as_set, colours, describe, simple};
use bytes::Bytes;
use stillpoint_reference::api::{RestoreTableFromBackupInput, TableStatus};
use stillpoint_scenarios::stage::{Operator, operate};

/// What can become of an object; all of them change it.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit in the middle.
    BitFlipped,
    /// The second half is missing.
    CutShort,
    /// Nothing is left but the name.
    Emptied,
    /// Not even that.
    Gone,
    /// It has another object's contents.
    Swapped,
}

const ALL: [Damage; 5] =
    [Damage::BitFlipped, Damage::CutShort, Damage::Emptied, Damage::Gone, Damage::Swapped];

/// How long a restore of damaged objects is watched: far longer than one of whole ones takes.
const WATCHED_MS: u64 = 2_000;

async fn damage(it: &Operator, object: &str, whole: &Bytes, how: Damage) {
    let store = it.world.driver().objects();
    let damaged = match how {
        Damage::BitFlipped => {
            let mut bytes = whole.to_vec();
            bytes[whole.len() / 2] ^= 0x10;
            bytes.into()
        }
        Damage::CutShort => whole.slice(..whole.len() / 2),
        Damage::Emptied => Bytes::new(),
        Damage::Gone => return store.delete(object).await.expect("the store has no faults"),
        Damage::Swapped => {
            let other = it.world.object_keys().into_iter().find(|it| it != object);
            it.world.peek_object(&other.expect("there are several")).expect("it is listed")
        }
    };
    assert_ne!(damaged, *whole);
    store.put(object, damaged).await.expect("the store has no faults");
}

#[test]
fn a_damaged_object_is_noticed_and_mended_it_is_restored() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let expected = colours(40, "red");
        it.fill("orders", expected.clone()).await;
        let arn = it.back_up("orders", "nightly").await;
        // So that nothing is left but the archive.
        it.drop_table("orders").await;
        let began_ns = it.world.now_ns();
        it.restore(&arn, "copy").await;
        assert!(
            it.world.now_ns() - began_ns < WATCHED_MS * 500_000,
            "else damage looks like haste"
        );
        let (mut noticed, mut restores) = (0, 0);
        for object in it.world.object_keys() {
            let whole = it.world.peek_object(&object).expect("it is listed");
            for how in ALL {
                restores += 1;
                damage(&it, &object, &whole, how).await;
                let target = format!("copy-{restores}");
                let input = RestoreTableFromBackupInput::new(&target, &arn);
                it.restore_table(input).await.expect("accepted");
                it.sleep_ms(WATCHED_MS).await;
                let table = it.describe_table(describe(&target)).await.expect("there").table;
                noticed += u32::from(table.table_status == TableStatus::Creating);
                if table.table_status == TableStatus::Active {
                    let (items, _) = it.scan_all(&target).await;
                    assert_eq!(as_set(&items), as_set(&expected), "{how:?}: {object}");
                }
                let store = it.world.driver().objects();
                store.put(&object, whole.clone()).await.expect("the store has no faults");
                it.await_active(&target).await;
                let (items, _) = it.scan_all(&target).await;
                assert_eq!(as_set(&items), as_set(&expected), "{how:?}: {object}, mended");
                it.drop_table(&target).await;
            }
        }
        assert_eq!(it.world.panics(), []);
        // At the least the manifest, a part and a segment: nothing of a backup is redundant.
        assert!(noticed >= 3 * 5, "{noticed} of {restores} damages were noticed");
    });
}
