//! The names of all objects, in one place.
//!
//! A node's incarnation and a sequence number within it make every name unique: a restarted
//! node never overwrites what it wrote before, and a retried upload meets its own bytes.
//! Numbers are hexadecimal and padded, so that a listing is in order.

/// All segments of a table have this prefix.
#[must_use]
pub fn segments_prefix(table_id: u128) -> String {
    format!("tables/{table_id:032x}/segments/")
}

/// Key of the `seq`-th segment that `node` writes for a table in this incarnation.
#[must_use]
pub fn segment(table_id: u128, node: u16, incarnation: u64, seq: u64) -> String {
    format!("{}{node:04x}-{incarnation:016x}-{seq:016x}", segments_prefix(table_id))
}

/// All objects of a backup have this prefix.
///
/// # Panics
///
/// If the id is empty or contains a slash, so that one backup could reach into another.
#[must_use]
pub fn backup_prefix(backup_id: &str) -> String {
    assert!(!backup_id.is_empty() && !backup_id.contains('/'), "backup id {backup_id:?}");
    format!("backups/{backup_id}/")
}

/// Key of the `seq`-th part that `node` writes for a backup in this incarnation.
#[must_use]
pub fn part(backup_id: &str, node: u16, incarnation: u64, seq: u64) -> String {
    format!("{}part-{node:04x}-{incarnation:016x}-{seq:016x}", backup_prefix(backup_id))
}

/// Key of a backup's manifest.
#[must_use]
pub fn manifest(backup_id: &str) -> String {
    format!("{}manifest", backup_prefix(backup_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_documented_and_sort_by_number() {
        let key = segment(0xabc, 2, 3, 10);
        assert_eq!(
            key,
            "tables/00000000000000000000000000000abc/segments/\
             0002-0000000000000003-000000000000000a"
        );
        assert!(segment(0xabc, 2, 3, 9) < key && key < segment(0xabc, 2, 3, 16));
        assert!(key.starts_with(&segments_prefix(0xabc)));
        let backup_id = "01489602797149-73d8d5bc";
        assert_eq!(manifest(backup_id), "backups/01489602797149-73d8d5bc/manifest");
        assert_eq!(
            part(backup_id, 1, 2, 3),
            "backups/01489602797149-73d8d5bc/part-0001-0000000000000002-0000000000000003"
        );
    }

    #[test]
    #[should_panic(expected = "backup id")]
    fn a_backup_id_cannot_leave_its_folder() {
        let _ = manifest("a/../b");
    }
}
