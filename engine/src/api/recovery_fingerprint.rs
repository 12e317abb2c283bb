//! The number by which a recovery's plan is known again.

use std::path::Path;

use serde::Serialize;

use super::{
    OldData, RecoveryAction, RecoveryPlan, RecoveryRole, RecoveryTarget, SettingNeed, StopPoint,
    TablespacePlan,
};

impl RecoveryPlan {
    /// A number over what must not change between the yes and the doing. What grows while a
    /// server is running (the latest position, what is lost, room, memory) is not part of it.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let grows = self.target == RecoveryTarget::Latest && self.replaced.is_none();
        let essence = Essence {
            destination: &self.destination,
            directory: &self.directory,
            wal_directory: self.wal_directory.as_deref(),
            tablespaces: &self.tablespaces,
            port: self.port,
            target: &self.target,
            timeline: self.stop.timeline.as_u32(),
            stop: (!grows).then_some(&self.stop),
            chain: &self.chain,
            replaced: self.replaced.as_ref().map(|one| (&one.host, one.path.as_path())),
            old_data: self.old_data,
            action: self.action,
            role: &self.role,
            settings: &self.settings,
            keystore_fingerprint: self.keystore_fingerprint.as_deref(),
        };
        // Texts and numbers always have a JSON form.
        crc32c::crc32c(&serde_json::to_vec(&essence).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Essence<'a> {
    destination: &'a Path,
    directory: &'a Path,
    wal_directory: Option<&'a Path>,
    tablespaces: &'a [TablespacePlan],
    port: Option<u16>,
    target: &'a RecoveryTarget,
    timeline: u32,
    stop: Option<&'a StopPoint>,
    chain: &'a [String],
    replaced: Option<(&'a String, &'a Path)>,
    old_data: OldData,
    action: RecoveryAction,
    role: &'a RecoveryRole,
    settings: &'a [SettingNeed],
    keystore_fingerprint: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Estimate;
    use crate::api::recovery_plan_text::tests::{lsn, plan};

    #[test]
    fn a_plan_is_known_again_by_what_must_not_change() {
        let plan = plan();
        let number = plan.fingerprint();
        let mut same = plan.clone();
        same.space.clear();
        same.lost.commits = 99;
        same.estimate = Estimate::default();
        same.enlarged.clear();
        assert_eq!(same.fingerprint(), number);
        let changes: [fn(&mut RecoveryPlan); 7] = [
            |plan| plan.stop.record = Some(lsn("16/B374D850")),
            |plan| plan.directory = "/database/inst2".into(),
            |plan| plan.old_data = OldData::Discard,
            |plan| plan.action = RecoveryAction::Promote,
            |plan| plan.chain.truncate(1),
            |plan| plan.replaced = None,
            |plan| plan.settings.clear(),
        ];
        for change in changes {
            let mut other = plan.clone();
            change(&mut other);
            assert_ne!(other.fingerprint(), number);
        }
        // The latest position of a server that is running moves on.
        let mut latest = plan;
        latest.target = RecoveryTarget::Latest;
        latest.replaced = None;
        let number = latest.fingerprint();
        latest.stop.record = Some(lsn("17/0"));
        assert_eq!(latest.fingerprint(), number);
    }
}
