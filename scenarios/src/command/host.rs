//! What the command needs of the machine it runs on: output, a clock, a child process, Ctrl-C.
//!
//! The only place below the command that touches the machine, so that tests can do without it
//! and simulated code has no way to it.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::campaign::pool::Limits;

/// Runs a program, `None` for this one, with these arguments, and returns what it printed or why
/// it failed.
pub type Child<'a> = dyn Fn(Option<&Path>, &[String]) -> Result<String, String> + 'a;

/// What the command may use of the machine.
pub struct Host<'a> {
    /// Standard output: results.
    pub out: &'a mut dyn Write,
    /// Standard error: what is wrong.
    pub err: &'a mut dyn Write,
    /// A monotonic clock, in nanoseconds.
    pub now_ns: &'a (dyn Fn() -> u64 + Sync),
    /// Processor time of the calling thread, in nanoseconds; `None` if the machine does not
    /// tell.
    pub cpu_ns: &'a dyn Fn() -> Option<u64>,
    /// Set when the user asks to stop.
    pub interrupted: &'a AtomicBool,
    /// Runs a program in a process of its own.
    pub child: &'a Child<'a>,
    /// How many threads work at once unless asked otherwise.
    pub cores: usize,
    /// Whether to show progress on standard error.
    pub progress: bool,
}

impl Host<'_> {
    /// The limits of a piece of work that may last until `deadline_ns` of the host's clock.
    pub(crate) fn limits(&self, jobs: Option<usize>, deadline_ns: Option<u64>) -> Limits<'_> {
        let (now_ns, interrupted) = (self.now_ns, self.interrupted);
        Limits { jobs: jobs.unwrap_or(self.cores), now_ns, deadline_ns, interrupted }
    }

    /// A progress bar of `length` steps, hidden where nobody would see it.
    pub(crate) fn bar(&self, length: u64) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {msg}");
        let style = style.expect("the template is well formed").progress_chars("=> ");
        ProgressBar::new(length).with_style(style)
    }
}

/// Calls `body` with the machine as it is.
pub(super) fn with_machine<T>(body: impl FnOnce(&mut Host<'_>) -> T) -> T {
    let mut out = UntilClosed { inner: Some(io::stdout().lock()) };
    let mut err = UntilClosed { inner: Some(io::stderr()) };
    let interrupted = listen_for_interrupts();
    let clock = machine_clock();
    body(&mut Host {
        out: &mut out,
        err: &mut err,
        now_ns: &clock,
        cpu_ns: &thread_cpu_ns,
        interrupted: &interrupted,
        child: &run_executable,
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        progress: io::stderr().is_terminal(),
    })
}

/// The first Ctrl-C (or a polite kill) lets finish what is under way; the second ends the process
/// at once.
fn listen_for_interrupts() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // Without a handler Ctrl-C ends the process, which is a fair answer too.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _ = writeln!(
            io::stderr(),
            "\nstopping when what is under way is done; once more to stop at once"
        );
    });
    interrupted
}

/// Budgets and speeds are about the real machine; no simulated code can reach this clock.
#[expect(clippy::disallowed_methods, reason = "measures the campaign itself, never a seed")]
fn machine_clock() -> impl Fn() -> u64 + Sync {
    let begun = std::time::Instant::now();
    move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The first number of /proc/thread-self/schedstat: time spent on a processor, in nanoseconds
/// (Linux, Documentation/scheduler/sched-stats.rst). Linux brings it up to date only at a timer
/// tick or when the thread gives way, hence the yield: without it short seeds seem to take 0.
fn thread_cpu_ns() -> Option<u64> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn run_executable(program: Option<&Path>, args: &[String]) -> Result<String, String> {
    let own = || std::env::current_exe().map_err(|error| error.to_string());
    let executable = program.map_or_else(own, |it| Ok::<PathBuf, String>(it.to_path_buf()))?;
    let output = Command::new(executable).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(format!("{}: {said}", output.status))
    }
}

/// A stream whose reader may go away, as with `stillpoint list | head -1`: from then on
/// everything is silently dropped, and the exit status still tells the verdict.
struct UntilClosed<W> {
    inner: Option<W>,
}

impl<W: Write> UntilClosed<W> {
    fn attempt<T>(&mut self, gone: T, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        let Some(inner) = &mut self.inner else {
            return Ok(gone);
        };
        match act(inner) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.inner = None;
                Ok(gone)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_but_a_full_disk_is() {
        let mut pipe = UntilClosed { inner: Some(Failing(io::ErrorKind::BrokenPipe)) };
        assert!(writeln!(pipe, "first").is_ok() && pipe.flush().is_ok());
        let mut disk = UntilClosed { inner: Some(Failing(io::ErrorKind::StorageFull)) };
        assert!(writeln!(disk, "first").is_err());
    }

    #[test]
    fn linux_tells_a_threads_processor_time() {
        let before = thread_cpu_ns().expect("the tests run on Linux");
        let sum = (0..20_000u64).fold(0u64, |sum, next| sum.rotate_left(3) ^ next);
        assert!(std::hint::black_box(sum) != 1);
        assert!(thread_cpu_ns() > Some(before));
    }
}
