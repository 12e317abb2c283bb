//! `pgdeck demo`.

use pgdeck_engine::api::{Demo, Error, ErrorCode, Limits, Result, Scope, run_demo_load};

use super::args::{Cli, DemoArgs};
use super::oneshot::engine_config;
use super::{console, output};

/// Makes or reuses the demo and opens the console on it, or removes it.
///
/// # Errors
/// `DemoFailed`, `BinariesMissing`, `StartFailed`, and what the console gives.
pub fn run(cli: &Cli, args: &DemoArgs) -> Result<u8> {
    let demo = Demo::at(args.dir.as_deref(), cli.global.run_as.as_deref())?;
    let mut tell = |text: &str| output::note(text);
    if args.stop {
        let text = match demo.remove(&mut tell)? {
            true => "the demo is gone",
            false => "there is no demo",
        };
        output::line(text);
        return Ok(0);
    }
    if !args.headless {
        // Before anything is made: the console must be able to run here.
        console::check_terminal(&cli.console)?;
    }
    demo.make_or_reuse(&mut tell)?;
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorCode::DemoFailed, "this program cannot be found").detail(error.to_string())
    })?;
    demo.start_load(&program)?;
    if args.headless {
        print_how_to_connect(&demo, args);
        return Ok(0);
    }
    let mut config = engine_config(&cli.global);
    config.scope = Scope::DataDirectory(demo.data_directory());
    config.state_directory = Some(demo.state_directory());
    config.run_as = Some(demo.role().to_owned());
    // Short limits, so that there is something to see at once.
    config.limits =
        Some(Limits { prepared_minutes: 1, lock_wait_seconds: 20, ..Limits::default() });
    let mut global = cli.global.clone();
    global.data_directory = Some(demo.data_directory());
    let code = console::open(config, &global, &cli.console)?;
    output::note(&format!(
        "the demo still runs in {}; 'pgdeck demo{}' opens it again, 'pgdeck demo --stop{}' removes it",
        demo.directory().display(),
        dir_option(args),
        dir_option(args)
    ));
    Ok(code)
}

fn dir_option(args: &DemoArgs) -> String {
    args.dir.as_ref().map(|dir| format!(" --dir {}", dir.display())).unwrap_or_default()
}

fn print_how_to_connect(demo: &Demo, args: &DemoArgs) {
    let run = demo.socket_directory();
    let (run, port, role) = (run.display(), demo.port(), demo.role());
    let option = dir_option(args);
    output::line(&format!("The demo runs in {}.", demo.directory().display()));
    output::line(&format!("console:  pgdeck demo{option}"));
    output::line(&format!("psql:     psql -h {run} -p {port} -U {role} shop"));
    output::line(&format!("status:   pgdeck status -D {}", demo.data_directory().display()));
    output::line(&format!("end it:   pgdeck demo --stop{option}"));
}

/// The load's process.
///
/// # Errors
/// `DemoFailed`.
pub fn load(directory: &std::path::Path) -> Result<u8> {
    let demo = Demo::of_directory(directory)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Error::new(ErrorCode::DemoFailed, "no runtime").detail(error.to_string())
        })?;
    runtime.block_on(run_demo_load(demo))?;
    Ok(0)
}
