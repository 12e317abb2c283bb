//! How an instance is connected to: parameters resolved anew each time, and sockets opened with
//! the credentials of the data directory's owner.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::api::{Error, ErrorCode, InstanceStatus, Result};
use crate::instance::target::{LocalTarget, RealFiles, RemoteTarget};
use crate::pg::connect::{self, Connected, DirectOpener, Opener, Opening};
use crate::pg::conninfo::{self, ConnectParams, Environment};
use crate::sys::credentials::Credentials;

/// The database asked first, and the one asked when that does not exist.
const DATABASES: [&str; 2] = ["postgres", "template1"];

/// A way to an instance. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Access {
    /// Over the socket or port that `postmaster.pid` names.
    Local(Arc<LocalAccess>),
    /// By a connection string.
    Remote(Arc<RemoteTarget>),
}

/// A way to an instance on this machine.
#[derive(Debug)]
pub struct LocalAccess {
    target: LocalTarget,
    /// Whom sockets are opened as, and whose name is the default role.
    owner: Mutex<Option<Credentials>>,
    /// Where it listens, as last seen.
    place: Mutex<Place>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    socket_directory: Option<PathBuf>,
    port: Option<u16>,
}

impl Access {
    /// A way to a local instance; where it listens is told later.
    #[must_use]
    pub fn local(target: LocalTarget) -> Self {
        let place = Mutex::default();
        Self::Local(Arc::new(LocalAccess { target, owner: Mutex::default(), place }))
    }

    /// A way to a remote instance.
    #[must_use]
    pub fn remote(target: RemoteTarget) -> Self {
        Self::Remote(Arc::new(target))
    }

    /// Takes what was seen of a local instance.
    pub fn learn(&self, status: &InstanceStatus, owner: Option<Credentials>) {
        let Self::Local(local) = self else { return };
        let seen = Place { socket_directory: status.socket_directory.clone(), port: status.port };
        if let Ok(mut place) = local.place.lock() {
            *place = seen;
        }
        if let Ok(mut known) = local.owner.lock() {
            *known = owner;
        }
    }

    /// Resolves the parameters for a database, or for the default one.
    ///
    /// # Errors
    /// `ConnectionStringInvalid`, `ServiceNotFound`.
    pub async fn params(&self, database: Option<&str>) -> Result<ConnectParams> {
        let access = self.clone();
        let database = database.map(str::to_owned);
        let resolved = tokio::task::spawn_blocking(move || access.resolve(database.as_deref()));
        resolved.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::ConnectionStringInvalid, "the parameters cannot be resolved"))
        })
    }

    fn resolve(&self, database: Option<&str>) -> Result<ConnectParams> {
        let me = Credentials::current();
        let resolve = |text: &str, variable: &dyn Fn(&str) -> Option<String>, user: &str| {
            conninfo::resolve(
                text,
                &Environment {
                    variable,
                    files: &RealFiles,
                    os_user: Some(user.to_owned()),
                    home_directory: Some(me.home().to_path_buf()),
                    socket_directories: Environment::usual_socket_directories(),
                    system_directories: Environment::usual_system_directories(),
                },
            )
        };
        let mut params = match self {
            Self::Remote(remote) => {
                resolve(&remote.connection, &|name| std::env::var(name).ok(), me.name())?
            }
            Self::Local(local) => {
                let text = local.target.connection.clone().unwrap_or_default();
                let place = local.place.lock().map(|place| place.clone()).unwrap_or_default();
                let owner = local.owner.lock().ok().and_then(|owner| owner.clone());
                let user = owner.as_ref().unwrap_or(&me).name().to_owned();
                resolve(&text, &|name| local_variable(name, &place), &user)?
            }
        };
        if let Some(database) = database {
            database.clone_into(&mut params.database);
        } else if matches!(self, Self::Local(_)) && params.database == params.user {
            // libpq's default, a database named as the role, seldom exists for superusers.
            DATABASES[0].clone_into(&mut params.database);
        }
        Ok(params)
    }

    fn opener(&self) -> Arc<dyn Opener> {
        let owner = match self {
            Self::Local(local) => local.owner.lock().ok().and_then(|owner| owner.clone()),
            Self::Remote(_) => None,
        };
        match owner {
            Some(owner) if !owner.is_current() => Arc::new(OwnerOpener { owner }),
            _ => Arc::new(DirectOpener),
        }
    }

    /// Connects to a database, or to the default one.
    ///
    /// # Errors
    /// Those of [`connect::connect`] and [`Access::params`].
    pub async fn connect(&self, database: Option<&str>) -> Result<Connected> {
        let params = self.params(database).await?;
        let opener = self.opener();
        let outcome = connect::connect(&params, &opener).await;
        let is_default = database.is_none() && params.database == DATABASES[0];
        match outcome {
            Err(error) if error.code == ErrorCode::DatabaseUnknown && is_default => {
                let mut params = params;
                DATABASES[1].clone_into(&mut params.database);
                connect::connect(&params, &opener).await
            }
            outcome => outcome,
        }
    }

    /// The machine, for people: `db1`, or this one.
    pub async fn host(&self) -> Option<String> {
        let params = self.params(None).await.ok()?;
        let first = params.hosts.first()?;
        Some(if first.host.is_empty() { first.to_string() } else { first.host.clone() })
    }
}

/// The environment as a local instance sees it: where it listens is known better than `PGHOST`,
/// which may mean another server.
fn local_variable(name: &str, place: &Place) -> Option<String> {
    match name {
        "PGHOST" => match &place.socket_directory {
            Some(directory) => Some(directory.display().to_string()),
            None => Some("localhost".to_owned()),
        },
        "PGPORT" => place.port.map(|port| port.to_string()),
        "PGHOSTADDR" | "PGSERVICE" | "PGTARGETSESSIONATTRS" => None,
        _ => std::env::var(name).ok(),
    }
}

/// Opens Unix sockets on a thread that has another user's credentials, which is what `peer`
/// authentication looks at (`SO_PEERCRED` is taken at `connect()`).
#[derive(Clone, Debug)]
struct OwnerOpener {
    owner: Credentials,
}

impl Opener for OwnerOpener {
    fn unix<'a>(&'a self, path: &'a Path) -> Opening<'a, std::os::unix::net::UnixStream> {
        let owner = self.owner.clone();
        let path = path.to_path_buf();
        Box::pin(async move {
            let open = move || owner.run(|| std::os::unix::net::UnixStream::connect(&path));
            tokio::task::spawn_blocking(open).await.map_err(std::io::Error::other)??
        })
    }
}
