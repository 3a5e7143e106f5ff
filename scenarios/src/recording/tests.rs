//! What is written is read again as it was; what is wrong is named with its line.

use proptest::prelude::*;

use super::{Recording, Taken, read, write};
use crate::history::{Observed, RestoredItem, Seen, WriteId};

fn text(recording: &Recording) -> String {
    let mut bytes = Vec::new();
    write(recording, &mut bytes).expect("memory takes everything");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// One call: kind, client, key, what it replaces or saw, outcome, times.
type Call = (u8, u32, u8, Option<Option<(u32, u32)>>, u8, u64, u64, bool);

fn recordings() -> impl Strategy<Value = Recording> {
    let state = prop::option::of(prop::option::of((0_u32..9, 0_u32..9)));
    let call =
        (0_u8..4, 0_u32..9, 0_u8..5, state, 0_u8..3, 0_u64..1 << 40, 0_u64..1 << 40, any::<bool>());
    let item = (0_u8..5, 0_u32..9, any::<u32>(), any::<bool>());
    let items = prop::collection::vec(item, 0..5);
    let backup =
        ("\\PC*", items.clone(), prop::option::of(items), prop::collection::vec("\\PC*", 0..3));
    let calls = prop::collection::vec(call, 0..20);
    (calls, prop::collection::vec(backup, 0..3), "\\PC*", any::<bool>()).prop_map(
        |(calls, backups, endpoint, transactions_offered)| {
            let mut recording =
                Recording { endpoint, transactions_offered, ..Recording::default() };
            let mut now_ns = 0;
            for (seq, call) in (0..).zip(calls) {
                now_ns += call.5;
                add_call(&mut recording, seq, call, now_ns);
            }
            for (name, items, second, texts) in backups {
                let mut restored = |items: Vec<(u8, u32, u32, bool)>| {
                    let item = |(key, client, seq, intact): (u8, u32, u32, bool)| RestoredItem {
                        key: recording.history.keys.intern(&format!("key \"{key}\"")),
                        write: WriteId { client, seq },
                        intact,
                    };
                    items.into_iter().map(item).collect::<Vec<_>>()
                };
                let observed = Observed {
                    request_ns: 5,
                    answer_ns: 7,
                    items: restored(items),
                    second: second.map(restored),
                    unknown_items: texts.clone(),
                    settings_differ: texts,
                };
                recording.backups.push(Taken { name, available_ns: 9, observed });
            }
            recording
        },
    )
}

fn add_call(recording: &mut Recording, seq: u32, call: Call, now_ns: u64) {
    let (kind, client, key, state, outcome, _, lasts_ns, together) = call;
    let history = &mut recording.history;
    let key = history.keys.intern(&format!("key \"{key}\""));
    let seen = |it: Option<(u32, u32)>| match it {
        Some((client, seq)) => Seen::Version(WriteId { client, seq }),
        None => Seen::Absent,
    };
    let (write, replaces) = (WriteId { client, seq }, state.map(seen));
    let op = match kind {
        0 => history.invoke_put(key, write, replaces, now_ns),
        1 => history.invoke_delete(key, write, replaces, now_ns),
        2 => history.invoke_read(client, key, now_ns),
        _ => history.invoke_eventual_read(client, key, now_ns),
    };
    match (outcome, kind >= 2) {
        (0, true) => history.acknowledge_read(op, seen(state.flatten()), now_ns + lasts_ns),
        (0, false) => history.acknowledge(op, now_ns + lasts_ns),
        (1, _) => history.refuse(op, now_ns + lasts_ns),
        _ => history.lose(op),
    }
    if together && kind < 2 {
        recording.transactions.push(vec![op]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_written_is_read_again(mut recording in recordings()) {
        let written = text(&recording);
        let again = read(written.as_bytes()).expect("what was just written");
        // Keys are numbered as they are first named, which is the order of this history too.
        prop_assert_eq!(&again, &recording);
        recording.endpoint.push('!');
        prop_assert_ne!(again, recording);
    }

    #[test]
    fn no_text_is_a_panic(
        recording in recordings(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = text(&recording).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Err(wrong) = read(bytes.as_slice()) {
            prop_assert_eq!(wrong.to_string().lines().count(), 1);
        }
    }
}

const HEADER: &str = concat!(
    r#"{"format":"stillpoint-history","version":1,"clock":"ns","#,
    r#""endpoint":"e","transactions":true}"#
);
const PUT: &str = concat!(
    r#"{"op":"put","client":1,"key":"k","write":"c1.1","#,
    r#""transaction":0,"invoke":5,"return":9,"outcome":"done"}"#
);
const BACKUP: &str = concat!(
    r#"{"op":"backup","name":"b","request":1,"answer":2,"available":3,"#,
    r#""items":[{"key":"k","write":"c1.1"}]}"#
);

fn said(lines: &[&str]) -> String {
    match read(lines.join("\n").as_bytes()) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(wrong) => wrong.to_string(),
    }
}

#[test]
fn bad_files_are_one_line_each() {
    assert_eq!(said(&[HEADER, PUT, BACKUP]), "nothing is wrong");
    let put = |from: &str, to: &str| said(&[HEADER, &PUT.replace(from, to)]);
    let second = |from: &str, to: &str| said(&[HEADER, PUT, &PUT.replace(from, to)]);
    let lines = [
        said(&[""]),
        said(&["{}"]),
        said(&[&HEADER.replace("-history", "-poem")]),
        said(&[&HEADER.replace(":1,", ":7,")]),
        said(&[&HEADER.replace("\"ns\"", "\"ms\"")]),
        said(&[HEADER, "", PUT]),
        said(&[HEADER, "{\"op\":\"put\""]),
        put("put", "putt"),
        put("\"key\":\"k\",", ""),
        put("c1.1", "c01.1"),
        put("c1.1", "absent"),
        put("c1.1", "c2.1"),
        put("done", "unknown"),
        put(":9", ":4"),
        put(":9", ":9223372036854775807"),
        put("\"return\"", "\"saw\":\"absent\",\"return\""),
        put("\"put\"", "\"read\""),
        put("\"invoke\"", "\"colour\":3,\"invoke\""),
        put("\"transaction\":0", "\"transaction\":1"),
        second("c1.1", "c1.1"),
        second(
            "\"c1.1\",\"transaction\":0,\"invoke\":5",
            "\"c1.2\",\"transaction\":0,\"invoke\":6",
        ),
        second(
            "\"c1.1\",\"transaction\":0,\"invoke\":5",
            "\"c1.2\",\"transaction\":1,\"invoke\":4",
        ),
        said(&[HEADER, BACKUP, PUT]),
        said(&[HEADER, &BACKUP.replace(":2", ":0")]),
        match read(b"\xff\xfe".as_slice()) {
            Ok(_) => "nothing is wrong".to_owned(),
            Err(wrong) => wrong.to_string(),
        },
    ];
    snapshot("recording_bad_files", &(lines.join("\n") + "\n"));
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The format, line by line: who reads files of this version must go on reading these.
#[test]
fn the_format_is_as_it_was() {
    let mut recording = Recording {
        endpoint: "http://127.0.0.1:8000".to_owned(),
        transactions_offered: true,
        ..Recording::default()
    };
    let history = &mut recording.history;
    let [a, b] = ["user-0/0", "user-9/1"].map(|name| history.keys.intern(name));
    let write = |client, seq| WriteId { client, seq };
    let put = history.invoke_put(a, write(1, 1), None, 1_000);
    history.acknowledge(put, 2_000);
    let update = history.invoke_put(a, write(2, 1), None, 2_500);
    history.acknowledge_update(update, Seen::Version(write(1, 1)), 3_000);
    let refused = history.invoke_put(b, write(2, 2), Some(Seen::Version(write(1, 9))), 3_100);
    history.refuse(refused, 3_200);
    let parts = [a, b].map(|key| history.invoke_put(key, write(3, key.0), None, 3_300));
    parts.iter().for_each(|op| history.acknowledge(*op, 3_400));
    recording.transactions.push(parts.to_vec());
    let delete = history.invoke_delete(b, write(1, 2), Some(Seen::Version(write(3, 1))), 3_500);
    history.lose(delete);
    let read_it = history.invoke_read(1, b, 3_600);
    history.acknowledge_read(read_it, Seen::Absent, 3_700);
    let eventual = history.invoke_eventual_read(1, a, 3_800);
    history.acknowledge_read(eventual, Seen::Version(write(3, 0)), 3_900);
    let item = RestoredItem { key: a, write: write(3, 0), intact: true };
    recording.backups.push(Taken {
        name: "conform-0".to_owned(),
        available_ns: 5_000,
        observed: Observed {
            request_ns: 3_650,
            answer_ns: 4_000,
            items: vec![item, RestoredItem { key: b, write: write(3, 1), intact: false }],
            unknown_items: vec!["{\"pk\":{\"S\":\"stranger\"}}".to_owned()],
            settings_differ: vec!["KeySchema".to_owned()],
            second: Some(vec![item]),
        },
    });
    snapshot("recording_format", &text(&recording));
    assert_eq!(read(text(&recording).as_bytes()), Ok(recording));
}
