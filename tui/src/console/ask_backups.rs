//! Confirmations and forms of the Backups pane.

use std::path::PathBuf;

use pgdeck_engine::api::{
    BackupKind, BackupRequest, BackupStatus, Command, CreateDestination, Protection, Retention,
    SetupPlan, SetupRequest, SetupThen, Severity, Snapshot, VerifyDepth, WalCompression,
    restore_point_sql,
};

use super::actions::Action;
use super::ask::{place_facts, push_danger};
use super::dialogs::Dialog;
use super::dialogs::confirm::Confirm;
use super::dialogs::input::{Input, Purpose};
use super::dialogs::plan::Plan;
use super::dialogs::typed::Typed;
use super::needs;
use super::panes::backups::detail;
use super::state::{Cmd, Pending, State};
use super::update::one_line;
use crate::text;

/// What `wal-push` does unless its command says otherwise.
const WAL_COMPRESSION: &str = "zstd";

/// The instance, its destination, and the facts every confirmation begins with.
struct Site {
    snapshot: std::sync::Arc<Snapshot>,
    destination: PathBuf,
    facts: Vec<(&'static str, String)>,
}

fn site(state: &State) -> Option<Site> {
    let snapshot = state.newest().cloned()?;
    let destination = needs::destination(&snapshot)?;
    let mut facts = place_facts(&snapshot);
    facts.push(("Destination", destination.display().to_string()));
    Some(Site { snapshot, destination, facts })
}

/// Asks to confirm a backup; the engine tells meanwhile what it would do.
pub(super) fn plan_backup(state: &mut State, kind: Option<BackupKind>) -> Vec<Cmd> {
    let Some(Site { snapshot, destination, mut facts }) = site(state) else { return Vec::new() };
    let instance = snapshot.identity.id.clone();
    let chosen = match kind {
        Some(kind) => kind.word(),
        None => "chosen: incremental when a usable full one exists and the chain is short",
    };
    facts.push(("Type", chosen.to_owned()));
    facts.push((
        "Effect",
        "The cluster is read and copied; one WAL segment is closed. The server stays usable."
            .to_owned(),
    ));
    let request = BackupRequest {
        destination: Some(destination.clone()),
        kind,
        dry_run: true,
        ..BackupRequest::default()
    };
    let command = Command::Backup { instance: instance.clone(), request: Box::new(request) };
    let ask = state.request(command, Pending::BackupPlan);
    let Cmd::Send(id, _) = &ask else { return Vec::new() };
    let plan = Plan::awaited(Action::Backup { instance, destination, kind }, facts, *id);
    let mut effects = push_danger(state, Dialog::Plan(plan));
    effects.push(ask);
    effects
}

/// Asks to confirm a verification.
pub(super) fn confirm_verify(state: &mut State, depth: VerifyDepth) -> Vec<Cmd> {
    let Some(Site { snapshot, destination, mut facts }) = site(state) else { return Vec::new() };
    let protection = snapshot.protection.get();
    let count = protection.map_or(0, |one| one.backups.len());
    let segments = protection.map_or(0, |one| one.segments);
    facts.push(("Content", format!("{}, {segments} WAL segments", text::plural(count, "backup"))));
    facts.push((
        "Effect",
        match depth {
            VerifyDepth::Full => {
                "Every stored byte is read and checked: that takes time and disk bandwidth. The result is recorded with each backup."
            }
            VerifyDepth::Quick => {
                "Names, sizes and the continuity of WAL are checked; content is not read."
            }
        }
        .to_owned(),
    ));
    let instance = snapshot.identity.id.clone();
    let action = Action::Verify { instance, destination, depth };
    push_danger(state, Dialog::Confirm(Confirm::new(action, facts)))
}

/// Asks to type the end of a backup's label before it is deleted.
pub(super) fn confirm_delete(state: &mut State) -> Vec<Cmd> {
    let Some(label) = state.panes.get(state.pane).backup() else { return Vec::new() };
    let Some(Site { snapshot, destination, mut facts }) = site(state) else { return Vec::new() };
    facts.push(("Backup", label.clone()));
    if let Some(protection) = snapshot.protection.get() {
        facts.extend(deleted_facts(protection, &label));
    }
    facts.push((
        "Effect",
        "The backup is removed, and archived WAL that only it needed. This cannot be taken back."
            .to_owned(),
    ));
    let expected = Typed::end_of_gid(&label);
    let instance = snapshot.identity.id.clone();
    let action = Action::DeleteBackup { instance, destination, label };
    let typed = Typed::new(action, facts, "the end of the backup's name", expected);
    push_danger(state, Dialog::Typed(typed))
}

/// What is lost with it.
fn deleted_facts(protection: &Protection, label: &str) -> Vec<(&'static str, String)> {
    let Some(one) = protection.backups.iter().find(|one| one.label == label) else {
        return Vec::new();
    };
    let kind = one.kind.map_or("", BackupKind::word);
    let stored = one.stored_bytes.map(text::bytes).unwrap_or_default();
    let mut facts = vec![("State", format!("{} {kind} {stored}", one.status.word()))];
    let based: Vec<&str> = protection
        .backups
        .iter()
        .filter(|other| other.parent.as_deref() == Some(label))
        .map(|other| other.label.as_str())
        .collect();
    if !based.is_empty() {
        facts.push(("Needed by", format!("{}: it will be refused", based.join(", "))));
    }
    let complete = |one: &&pgdeck_engine::api::BackupInfo| one.status == BackupStatus::Complete;
    let left = protection.backups.iter().filter(complete).filter(|one| one.label != label).count();
    facts.push(("Left", format!("{} complete", text::plural(left, "backup"))));
    facts
}

/// Asks to confirm that a segment is sent through the archive.
pub(super) fn confirm_check(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    let mut facts = place_facts(&snapshot);
    let destination = needs::destination(&snapshot);
    let shown = destination.map_or_else(|| "none is set".to_owned(), |it| it.display().to_string());
    facts.push(("Destination", shown));
    facts.push(("Command", "SELECT pg_switch_wal()".to_owned()));
    facts.push((
        "Effect",
        "The WAL segment in use is closed and waited for in the archive, at most 60 s.".to_owned(),
    ));
    let action = Action::CheckArchive { instance: snapshot.identity.id.clone() };
    push_danger(state, Dialog::Confirm(Confirm::new(action, facts)))
}

/// Opens the line in which a name or a destination is typed.
pub(super) fn ask_line(state: &mut State, purpose: Purpose) -> Vec<Cmd> {
    let begin = match (purpose, state.newest()) {
        (Purpose::Destination, Some(snapshot)) => needs::destination(snapshot),
        _ => None,
    };
    let begin = begin.map(|path| path.display().to_string()).unwrap_or_default();
    state.dialogs.push(Dialog::Input(Input::new(purpose, &begin)));
    Vec::new()
}

/// Asks to confirm a restore point with this name.
pub(super) fn confirm_restore_point(state: &mut State, name: &str) -> Vec<Cmd> {
    let name = name.trim();
    if name.is_empty() {
        state.say(Severity::Info, "a restore point needs a name; nothing was done");
        return Vec::new();
    }
    let Some(Site { snapshot, destination, mut facts }) = site(state) else { return Vec::new() };
    let sql = match restore_point_sql(name) {
        Ok(sql) => sql,
        Err(error) => {
            state.say(Severity::Error, one_line(&error));
            return Vec::new();
        }
    };
    facts.push(("Command", sql));
    facts.push((
        "Effect",
        "WAL gets a named position to recover to; it is noted in the destination's register."
            .to_owned(),
    ));
    let known = snapshot.protection.get().map(|one| one.restore_points.as_slice());
    if known.unwrap_or_default().iter().any(|point| point.name == name) {
        let text = "a restore point has this name already; recovery stops at the first one";
        facts.push(("Warning", text.to_owned()));
    }
    let instance = snapshot.identity.id.clone();
    let action = Action::RestorePoint { instance, destination, name: name.to_owned() };
    push_danger(state, Dialog::Confirm(Confirm::new(action, facts)))
}

/// Takes the destination of a set-up and asks for the compression.
pub(super) fn begin_setup(state: &mut State, text: &str) -> Vec<Cmd> {
    let destination = PathBuf::from(text.trim());
    if !destination.is_absolute() {
        let text = "a destination begins with a slash; nothing was done";
        state.say(Severity::Info, text);
        return Vec::new();
    }
    state.setup_form = Some(SetupRequest {
        destination,
        create: CreateDestination::Make,
        compression: None,
        archive_timeout_seconds: None,
        retention: None,
        program: state.program.clone(),
    });
    state.dialogs.push(Dialog::Input(Input::new(Purpose::WalCompression, WAL_COMPRESSION)));
    Vec::new()
}

/// Takes the compression of a set-up and asks how much is kept.
pub(super) fn compress_setup(state: &mut State, text: &str) -> Vec<Cmd> {
    let text = text.trim();
    if !text.is_empty() && text.parse::<WalCompression>().is_err() {
        let text = format!("\"{text}\" is no compression; nothing was done");
        state.say(Severity::Info, text);
        return Vec::new();
    }
    let Some(form) = &mut state.setup_form else { return Vec::new() };
    // The default needs no word in the archive command.
    form.compression = (!matches!(text, "" | WAL_COMPRESSION)).then(|| text.to_owned());
    state.dialogs.push(Dialog::Input(Input::new(Purpose::Retention, "")));
    Vec::new()
}

/// Has the engine work out what the set-up would change.
pub(super) fn plan_setup(state: &mut State, text: &str) -> Vec<Cmd> {
    let (Some(mut request), Some(instance)) = (state.setup_form.take(), state.selected.clone())
    else {
        return Vec::new();
    };
    match (text.trim(), text.trim().parse::<Retention>()) {
        ("", _) => {}
        (_, Ok(retention)) => request.retention = Some(retention),
        (text, Err(error)) => {
            state.say(Severity::Info, format!("\"{text}\" is not {error}; nothing was done"));
            return Vec::new();
        }
    }
    state.say(Severity::Info, "working out what would change ...");
    let command = Command::PlanSetup { instance, request: Box::new(request.clone()) };
    vec![state.request(command, Pending::SetupPlan(request))]
}

/// Shows what a set-up would change, to be confirmed.
pub(super) fn confirm_setup(
    state: &mut State,
    request: SetupRequest,
    plan: &SetupPlan,
) -> Vec<Cmd> {
    let Some(snapshot) = state.newest().cloned() else { return Vec::new() };
    state.notice = None;
    let mut facts = place_facts(&snapshot);
    let made = match plan.creates_destination {
        true => " does not exist and will be made, mode 0700: is its disk mounted?",
        false => "",
    };
    facts.push(("Destination", format!("{}{made}", plan.destination.display())));
    let then = match plan.then {
        SetupThen::Nothing => "Nothing: all is in force. A WAL segment is sent through.",
        SetupThen::Reload => {
            "The server loads its configuration without interruption, and a WAL segment is sent through."
        }
        SetupThen::Restart => {
            "They are in force after a restart, which ends all sessions: that is yours to do."
        }
        SetupThen::Start => "They are in force when the instance starts.",
    };
    facts.push(("Afterwards", then.to_owned()));
    for warning in &plan.warnings {
        facts.push(("Warning", warning.clone()));
    }
    let body = match plan.changes.is_empty() {
        true => "Every setting is right already.".to_owned(),
        false => plan.diff.clone(),
    };
    let action = Action::Setup {
        instance: snapshot.identity.id.clone(),
        request,
        fingerprint: plan.fingerprint,
        then: plan.then,
    };
    push_danger(state, Dialog::Plan(Plan::new(action, facts, body)))
}

/// Shows every restore point.
pub(super) fn show_restore_points(state: &mut State) -> Vec<Cmd> {
    let Some(snapshot) = state.snapshot().cloned() else { return Vec::new() };
    let points = snapshot.protection.get().map(|one| one.restore_points.as_slice());
    let view = detail::restore_points(points.unwrap_or_default(), state.zone);
    state.dialogs.push(Dialog::Text(view));
    Vec::new()
}
