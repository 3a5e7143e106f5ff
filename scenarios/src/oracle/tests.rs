//! Tests of the judges: against brute force on tiny random histories, against single edits of
//! correct backups, and by witnesses that a person reads.

mod against_brute_force;
mod atomic;
mod brute;
mod brute_causes;
mod causes;
mod edits;
mod random;
mod splits;
mod witnesses;
