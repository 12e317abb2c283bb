//! What a command is, and finding one. Dispatch, the hint bar, `?`, the `:` palette and the
//! README's key list are all made from the one [`TABLE`].

mod table;

use super::keys::Key;
use super::panes::PaneId;

pub use table::TABLE;

/// Every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each has its sentence in the table")]
pub enum CommandId {
    Down,
    Up,
    First,
    Last,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    Open,
    Back,
    Mark,
    Unmark,
    Filter,
    SortNext,
    SortPrevious,
    SortReverse,
    ColumnsRight,
    ColumnsLeft,
    Copy,
    NextPane,
    PreviousPane,
    GoOverview,
    GoStorage,
    GoConnections,
    GoLocks,
    GoPrepared,
    GoLogs,
    GoMessages,
    GoBackups,
    Help,
    Palette,
    Pause,
    Faster,
    Slower,
    Repaint,
    Recheck,
    Instances,
    NextInstance,
    Jobs,
    Operations,
    Suspend,
    Quit,
    StartInstance,
    StopInstance,
    RestartInstance,
    ReloadInstance,
    CancelQuery,
    TerminateSession,
    AllBackends,
    MarkIdle,
    IdleMinutes,
    CommitPrepared,
    RollbackPrepared,
    LogFollow,
    LogSeverity,
    LogBenign,
    LogNextError,
    LogPreviousError,
    Solve,
    BackupNow,
    BackupFull,
    VerifyBackups,
    VerifyQuick,
    DeleteBackup,
    RestorePoint,
    RestorePoints,
    CheckArchive,
    SetUpArchive,
    Recover,
    RecoveryMap,
    Rehearse,
}

/// Where a command can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In every pane (all of them are lists).
    List,
    /// In these panes.
    Panes(&'static [PaneId]),
}

/// How much harm it can do; decides how it is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// None: done at once.
    None,
    /// Grade 1: y/N.
    Light,
    /// Grade 2: a dialog with host, instance, target and consequence.
    Serious,
    /// Grade 3: something has to be typed.
    Grave,
}

/// What must hold for a command to be usable; see `needs.rs` for the reasons given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Not `--read-only`.
    Writable,
    /// An instance is selected.
    Instance,
    /// It is on this machine.
    Local,
    /// It takes connections.
    Connected,
    /// It does not run.
    Down,
    /// Its server process exists.
    Running,
    /// A row is selected that is a client's session.
    Session,
    /// A prepared transaction is selected.
    Prepared,
    /// A backup is selected.
    Backup,
    /// A backup destination is set.
    Destination,
    /// A row is selected.
    Row,
    /// There is more than one instance.
    SeveralInstances,
}

/// A command's entry.
#[derive(Debug)]
pub struct CommandSpec {
    /// Which.
    pub id: CommandId,
    /// The name typed in the palette.
    pub name: &'static str,
    /// Its keys, the one shown first.
    pub keys: &'static [Key],
    /// Where.
    pub scope: Scope,
    /// A word or two for the hint bar; empty keeps it out of the bar.
    pub hint: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
    /// How it is confirmed.
    pub danger: Danger,
    /// When it can be used.
    pub needs: &'static [Need],
}

impl CommandSpec {
    /// Whether it belongs to this pane.
    #[must_use]
    pub fn applies_to(&self, pane: PaneId) -> bool {
        match self.scope {
            Scope::Global | Scope::List => true,
            Scope::Panes(panes) => panes.contains(&pane),
        }
    }
}

/// The command a key gives in a pane. What belongs to the pane comes before what is general.
#[must_use]
pub fn for_key(key: Key, pane: PaneId) -> Option<&'static CommandSpec> {
    let fits = |spec: &&CommandSpec| spec.keys.contains(&key) && spec.applies_to(pane);
    let own = TABLE.iter().filter(|spec| matches!(spec.scope, Scope::Panes(_))).find(fits);
    own.or_else(|| TABLE.iter().find(fits))
}

/// The entry of a command.
#[must_use]
pub fn spec(id: CommandId) -> &'static CommandSpec {
    TABLE.iter().find(|spec| spec.id == id).unwrap_or(&TABLE[0])
}

/// The key list of the README, in Markdown.
#[must_use]
pub fn key_list_markdown() -> String {
    let mut out = String::from("| keys | command | what it does |\n|---|---|---|\n");
    for spec in TABLE {
        let keys: Vec<String> = spec
            .keys
            .iter()
            .map(|key| format!("`{}`", key.to_string().replace('|', "\\|")))
            .collect();
        let place = match spec.scope {
            Scope::Global | Scope::List => String::new(),
            Scope::Panes(panes) => {
                let names: Vec<_> = panes.iter().map(|pane| pane.title()).collect();
                format!(" *({})*", names.join(", "))
            }
        };
        out.push_str(&format!(
            "| {} | `{}` | {}{} |\n",
            keys.join(" "),
            spec.name,
            spec.help,
            place
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_one_entry_and_a_name_of_its_own() {
        for (index, spec) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                assert_ne!(spec.id, other.id);
                assert_ne!(spec.name, other.name);
            }
            assert!(spec.help.ends_with('.'), "{}", spec.name);
            assert!(!spec.keys.is_empty(), "{} has no key", spec.name);
        }
    }

    #[test]
    fn no_key_means_two_things_in_one_pane() {
        for pane in PaneId::ALL {
            let mut seen = Vec::new();
            for spec in TABLE.iter().filter(|spec| matches!(spec.scope, Scope::Panes(_))) {
                if !spec.applies_to(pane) {
                    continue;
                }
                for key in spec.keys {
                    assert!(!seen.contains(key), "{key} in {}", pane.title());
                    seen.push(*key);
                }
            }
        }
        let mut seen = Vec::new();
        for spec in TABLE.iter().filter(|spec| !matches!(spec.scope, Scope::Panes(_))) {
            for key in spec.keys {
                assert!(!seen.contains(key), "{key} is given twice");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn whatever_changes_an_instance_is_confirmed_and_refused_when_read_only() {
        for spec in TABLE {
            let writes = spec.needs.contains(&Need::Writable);
            assert_eq!(writes, spec.danger > Danger::None, "{}", spec.name);
        }
    }

    #[test]
    fn the_panes_own_key_comes_first() {
        assert_eq!(for_key(Key::Char('n'), PaneId::Logs).unwrap().id, CommandId::LogNextError);
        assert_eq!(for_key(Key::Char('n'), PaneId::Storage).unwrap().id, CommandId::NextInstance);
        assert!(for_key(Key::Char('t'), PaneId::Storage).is_none());
    }
}
