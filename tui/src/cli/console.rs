//! `pgdeck` without a command: opens the console.

use std::time::Duration;

use pgdeck_engine::api::{ConsoleSettings, Engine, EngineConfig, Error, ErrorCode, Result, Scope};

use super::args::{ConsoleArgs, GlobalArgs};
use super::oneshot::engine_config;
use crate::console::run::{self, Options};
use crate::console::terminal::Mouse;
use crate::console::terminal::policy::{
    Charset, ColourChoice, Environment, Flags, Pace, TerminalPolicy,
};

const REFRESH_SECONDS: std::ops::RangeInclusive<f64> = 0.25..=60.0;

/// Opens the console.
///
/// # Errors
/// `TerminalUnsuitable`, `ConfigInvalid`, `UsageInvalid`.
pub fn run(global: &GlobalArgs, args: &ConsoleArgs) -> Result<u8> {
    open(engine_config(global), global, args)
}

/// Opens the console on an engine set up by the caller.
///
/// # Errors
/// As [`run`].
pub fn open(mut config: EngineConfig, global: &GlobalArgs, args: &ConsoleArgs) -> Result<u8> {
    // Refused before anything is read: a wrong terminal is told at once.
    check_terminal(args)?;
    let (_, settings) = Engine::read_settings(config.config_file.as_deref())?;
    let policy = policy(args, &settings)?;
    let interval = interval(args, &settings, &policy)?;
    config.interval = Some(interval);
    config.read_only |= settings.read_only;
    let mut preferred = None;
    // PGDATA names where to begin; the others of this machine are watched, too.
    if let (Scope::DataDirectory(path), None) = (&config.scope, &global.data_directory) {
        preferred = std::fs::canonicalize(path).ok();
        config.scope = Scope::All;
    }
    let options = Options {
        policy,
        theme: args.theme.clone().or(settings.theme).unwrap_or_else(|| "default".to_owned()),
        theme_directory: args.theme_dir.clone().or(settings.theme_directory),
        mouse: if args.mouse || settings.mouse { Mouse::Buttons } else { Mouse::Off },
        interval,
        read_only: config.read_only,
        preferred,
    };
    run::run(Engine::start(config)?, &options)
}

/// Checks that a console can run on this terminal.
///
/// # Errors
/// `TerminalUnsuitable`.
pub fn check_terminal(args: &ConsoleArgs) -> Result<()> {
    policy(args, &ConsoleSettings::default()).map(|_| ())
}

fn policy(args: &ConsoleArgs, settings: &ConsoleSettings) -> Result<TerminalPolicy> {
    let configured = settings.color.as_deref().map(colour).transpose()?;
    let flags = Flags {
        charset: (args.ascii || settings.ascii).then_some(Charset::Ascii),
        colour: match (args.color, configured) {
            (ColourChoice::Auto, Some(configured)) => configured,
            (chosen, _) => chosen,
        },
        pace: if args.slow { Pace::Slow } else { Pace::Normal },
    };
    TerminalPolicy::decide(&Environment::from_process(), flags).map_err(|refusal| {
        Error::new(ErrorCode::TerminalUnsuitable, "the console cannot run here")
            .detail(refusal.to_string())
    })
}

fn colour(word: &str) -> Result<ColourChoice> {
    <ColourChoice as clap::ValueEnum>::from_str(word, true).map_err(|_| {
        Error::new(ErrorCode::ConfigInvalid, format!("color = \"{word}\" is not known"))
            .detail("it is auto, never, 8, 16, 256 or truecolor")
    })
}

fn interval(
    args: &ConsoleArgs,
    settings: &ConsoleSettings,
    policy: &TerminalPolicy,
) -> Result<Duration> {
    match args.refresh.or(settings.refresh_seconds.filter(|_| !args.slow)) {
        Some(seconds) if REFRESH_SECONDS.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(seconds) => {
            Err(Error::new(ErrorCode::UsageInvalid, format!("--refresh {seconds} is out of range"))
                .detail("it is a number of seconds from 0.25 to 60"))
        }
        None => Ok(policy.refresh()),
    }
}
