//! The engine for one command: start it, wait until it has looked, give an order, wait for the
//! answer.

use std::sync::Arc;
use std::time::Duration;

use pgdeck_engine::api::{
    Command, Engine, EngineConfig, Error, ErrorCode, Event, Fleet, Locality, RequestId, Result,
    Scope, Snapshot,
};
use tokio::sync::{mpsc, watch};

use super::args::GlobalArgs;

/// Looking at everything may take this long: connecting takes at most 5 s.
const SETTLE_LIMIT: Duration = Duration::from_secs(12);

/// The engine's setup from the command line.
///
/// Without `-D`, `--dsn` and `--instance`, `PGDATA` names the instance.
#[must_use]
pub fn engine_config(args: &GlobalArgs) -> EngineConfig {
    let pgdata = std::env::var_os("PGDATA").filter(|value| !value.is_empty());
    let scope = match (&args.data_directory, &args.dsn, &args.instance, pgdata) {
        (Some(directory), ..) => Scope::DataDirectory(absolute(directory)),
        (_, Some(dsn), ..) => Scope::Connection(dsn.clone()),
        (_, _, Some(name), _) => Scope::Named(name.clone()),
        (None, None, None, Some(directory)) => Scope::DataDirectory(absolute(directory.as_ref())),
        (None, None, None, None) => Scope::All,
    };
    EngineConfig {
        scope,
        bin_directory: args.bin_dir.clone(),
        run_as: args.run_as.clone(),
        read_only: args.read_only,
        config_file: args.config.clone(),
        state_directory: args.state_dir.clone(),
        ..EngineConfig::default()
    }
}

fn absolute(path: &std::path::Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// An engine at work for one command.
#[derive(Debug)]
pub struct OneShot {
    engine: Engine,
    fleet: watch::Receiver<Arc<Fleet>>,
    events: mpsc::Receiver<Event>,
    next_request: u64,
}

impl OneShot {
    /// Starts the engine.
    ///
    /// # Errors
    /// `ConfigInvalid`, `FileAccess`.
    pub fn start(config: EngineConfig) -> Result<Self> {
        let mut engine = Engine::start(config)?;
        let fleet = engine.fleet();
        let events = engine.take_events().ok_or_else(|| {
            Error::new(ErrorCode::EngineBusy, "the engine's events are taken already")
        })?;
        Ok(Self { engine, fleet, events, next_request: 1 })
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Waits until every instance has been looked at.
    ///
    /// # Errors
    /// What the discovery could not do.
    pub async fn settled(&mut self) -> Result<Arc<Fleet>> {
        let is_settled = |fleet: &Arc<Fleet>| {
            fleet.discovered && fleet.instances.iter().all(|snapshot| snapshot.is_settled)
        };
        let waited = tokio::time::timeout(SETTLE_LIMIT, self.fleet.wait_for(is_settled)).await;
        drop(waited);
        let fleet = self.fleet.borrow().clone();
        match &fleet.discovery_error {
            Some(error) => Err(error.as_ref().clone()),
            None => Ok(fleet),
        }
    }

    /// The one instance a command acts on.
    ///
    /// # Errors
    /// `InstanceNotFound`, `InstanceAmbiguous`.
    pub async fn only_instance(&mut self) -> Result<Arc<Snapshot>> {
        let fleet = self.settled().await?;
        match fleet.instances.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] => Err(Error::new(ErrorCode::InstanceNotFound, "no instance was found").detail(
                "no server process runs, and neither -D, PGDATA nor pgdeck.toml names one",
            )),
            several => {
                let names: Vec<_> = several.iter().map(|one| one.identity.name.as_str()).collect();
                Err(Error::new(ErrorCode::InstanceAmbiguous, "several instances are known")
                    .detail(names.join(", ")))
            }
        }
    }

    /// The fleet as it changes.
    pub fn fleet_mut(&mut self) -> &mut watch::Receiver<Arc<Fleet>> {
        &mut self.fleet
    }

    /// Gives a command.
    ///
    /// # Errors
    /// `EngineBusy`.
    pub fn send(&mut self, command: Command) -> Result<RequestId> {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.engine.send(request, command)?;
        Ok(request)
    }

    /// The next event.
    ///
    /// # Errors
    /// `EngineBusy` when the engine has ended.
    pub async fn event(&mut self) -> Result<Event> {
        self.events
            .recv()
            .await
            .ok_or_else(|| Error::new(ErrorCode::EngineBusy, "the engine has ended"))
    }

    /// Gives a command and waits for its first answer.
    ///
    /// # Errors
    /// The refusal, when it is refused.
    pub async fn ask(&mut self, command: Command) -> Result<Event> {
        let request = self.send(command)?;
        loop {
            match self.event().await? {
                Event::Refused { request: id, error } if id == request => return Err(error),
                event if event.request() == Some(request) => return Ok(event),
                _ => {}
            }
        }
    }
}

/// What a command needs of its instance: that it can be asked.
///
/// # Errors
/// Why the instance does not answer.
pub fn connected(snapshot: &Snapshot) -> Result<()> {
    if snapshot.connected {
        return Ok(());
    }
    if let Some(error) = &snapshot.status.connect_error {
        return Err(error.clone());
    }
    let name = &snapshot.identity.name;
    let code = match snapshot.identity.locality {
        Locality::Local => ErrorCode::NotRunning,
        Locality::Remote => ErrorCode::ConnectTimeout,
    };
    Err(Error::new(code, format!("instance \"{name}\" is {}", snapshot.status.state.word()))
        .detail(snapshot.status.detail.clone()))
}
