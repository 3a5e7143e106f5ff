//! `stillpoint serve`: the service on this machine, until it is told to stop.

use super::args::ServeArgs;
use super::{Host, Refusal};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::server::{self, Options};

/// Between two looks at whether the user asks to stop.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn serve(args: &ServeArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let mut options = Options::new(&args.data, args.listen);
    options.partitions = args.partitions;
    let Host { out, interrupted, .. } = host;
    let announce = |address| {
        // Whoever started this reads the first line to learn the port.
        let _ = writeln!(
            out,
            "serving the DynamoDB API at http://{address}, data in {}\n\
             any credentials are accepted; only this machine can connect; Ctrl-C stops",
            args.data.display()
        );
        let _ = out.flush();
    };
    let stop = wait_for(interrupted);
    match server::run(options, NoMutants, None, announce, stop) {
        Ok(()) => Ok(0),
        Err(why) => Err(Refusal(why.to_string())),
    }
}

async fn wait_for(interrupted: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}
