//! Looking for mistakes in WAL, for a front end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::recoveries::Recoveries;
use crate::api::{Error, ErrorCode, Event, MistakeQuery, RequestId, Result};
use crate::instance::access::Access;
use crate::pg::query::column;
use crate::pg::query::sql::RELATION_FILENODE;
use crate::recovery::mistakes;

impl Recoveries {
    /// What may have been mistakes. A relation's name is resolved by the running server.
    pub(super) async fn mistakes(self, request: RequestId, query: MistakeQuery) -> Result<Event> {
        let mut query = query;
        if let Some(name) = query.relation.take() {
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            let access = &self.site.backup.access;
            query.relation = Some(if is_number { name } else { filenode(access, &name).await? });
        }
        let found = self.site.as_owner(move |site| {
            let never = AtomicBool::new(false);
            mistakes::find(site, &query, &never, &mut |_, _| ())
        });
        Ok(Event::MistakesFound { request, mistakes: Arc::new(found.await?) })
    }
}

/// The number of a relation's file, as it is now.
async fn filenode(access: &Access, name: &str) -> Result<String> {
    let unknown = |detail: String| {
        Error::new(ErrorCode::UsageInvalid, format!("relation \"{name}\" is not known"))
            .detail(detail)
            .hint("WAL knows only numbers of files: leave --relation out, or give the number of the file.")
    };
    let connected = access.connect(None).await.map_err(|error| unknown(error.fact))?;
    let text = RELATION_FILENODE.text_for(connected.server.version.major()).unwrap_or_default();
    let row = connected.client.query_one(text, &[&name]).await;
    let row = row.map_err(|error| unknown(connected.map_error(&error).detail))?;
    match column::<Option<u32>>(&row, "filenode")? {
        Some(number) => Ok(number.to_string()),
        None => Err(unknown(format!(
            "database {} has none of that name now",
            connected.context.database
        ))),
    }
}
