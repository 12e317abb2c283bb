//! `pgdeck status`.

use std::time::Duration;

use pgdeck_engine::api::{DestinationHealth, InstanceState, Result, Severity, Snapshot};

use super::args::{GlobalArgs, StatusArgs};
use super::oneshot::{OneShot, engine_config};
use super::output;
use super::report::{InstanceReport, StatusReport};
use crate::text;

/// Rates need two samples.
const INTERVAL: Duration = Duration::from_millis(500);
const RATES_LIMIT: Duration = Duration::from_secs(2);

/// Shows everything once. The exit code tells the health.
///
/// # Errors
/// Those of starting the engine and of the discovery.
pub async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<u8> {
    let mut config = engine_config(global);
    config.interval = Some(INTERVAL);
    config.interest.sizes = true;
    let mut engine = OneShot::start(config)?;
    engine.settled().await?;
    let has_rates = |fleet: &std::sync::Arc<pgdeck_engine::api::Fleet>| {
        fleet.instances.iter().all(|one| !one.connected || one.rates.get().is_some())
    };
    let waited = tokio::time::timeout(RATES_LIMIT, engine.fleet_mut().wait_for(has_rates)).await;
    drop(waited);
    let fleet = engine.fleet_mut().borrow().clone();
    if args.json {
        output::json(&StatusReport {
            at: chrono::Utc::now(),
            instances: fleet.instances.iter().map(|one| InstanceReport::of(one)).collect(),
        });
    } else if fleet.instances.is_empty() {
        output::line("No instance was found. Name one with -D DIR or --dsn, or try 'pgdeck demo'.");
    } else {
        for (index, snapshot) in fleet.instances.iter().enumerate() {
            if index > 0 {
                output::line("");
            }
            print(snapshot);
        }
    }
    Ok(fleet.instances.iter().map(|one| exit_code(one)).max().unwrap_or(3))
}

/// 0 healthy, 1 warnings, 2 errors, 3 cannot tell.
fn exit_code(snapshot: &Snapshot) -> u8 {
    match snapshot.status.state {
        InstanceState::Unknown | InstanceState::AccessDenied => 3,
        _ => match snapshot.worst() {
            Some(Severity::Error) => 2,
            Some(Severity::Warning) => 1,
            Some(Severity::Info) | None => 0,
        },
    }
}

fn print(snapshot: &Snapshot) {
    let identity = &snapshot.identity;
    let place = identity
        .data_directory
        .as_ref()
        .map_or_else(|| identity.host.clone(), |directory| directory.display().to_string());
    let name = text::clean(&identity.name);
    output::line(&format!("{name}: {}  {}", snapshot.status.state.word(), text::clean(&place)));
    if let Some(server) = snapshot.server.get() {
        output::line(&format!(
            "  PostgreSQL {}, {}, timeline {}, port {}, up {}",
            server.version,
            server.role.word(),
            server.timeline.map_or_else(|| "?".to_owned(), |id| id.decimal()),
            server.port.map_or_else(|| "?".to_owned(), |port| port.to_string()),
            text::age(server.uptime_seconds),
        ));
        let slots = server.connections;
        let rates = snapshot.rates.get();
        output::line(&format!(
            "  connections {} of {}, {} transactions, WAL {}, {} prepared, {} waiting for locks",
            slots.used,
            slots.max,
            rates.map_or_else(|| "?".to_owned(), |rates| text::rate(rates.transactions)),
            rates.map_or_else(|| "?".to_owned(), |rates| byte_rate(rates.wal_bytes)),
            snapshot.prepared.get().map_or(0, Vec::len),
            snapshot.locks.get().map_or(0, |forest| forest.waiting),
        ));
    } else {
        output::line(&format!("  {}", text::clean(&snapshot.status.detail)));
    }
    for destination in snapshot.destinations.get().into_iter().flatten() {
        let usage = destination.usage.as_ref().map_or_else(String::new, |usage| {
            format!("{} % used, {} free", usage.used_percent(), text::bytes(usage.free_bytes))
        });
        let reason = match destination.health {
            DestinationHealth::Normal => String::new(),
            _ => format!(": {}", destination.reason),
        };
        output::line(&format!(
            "  {} {} {} {usage}{reason}",
            destination.health.word(),
            text::clean(&destination.name),
            text::clean(&destination.path.to_string_lossy()),
        ));
    }
    for message in snapshot.messages.iter() {
        output::line(&format!("  {}: {}", message.severity.word(), text::clean(&message.text)));
        output::line(&format!("    {}", text::clean(&message.detail)));
        output::line(&format!("    Solution: {}", text::clean(&message.solution)));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates; rates are not negative"
)]
fn byte_rate(per_second: f64) -> String {
    text::byte_rate(per_second as u64)
}
