//! The demo's sample load: users that work, some that misbehave. Runs until the demo is gone.

use std::sync::Arc;
use std::time::Duration;

use super::Demo;
use crate::api::{Error, ErrorCode, Result};
use crate::instance::target::RealFiles;
use crate::pg::connect::{self, Connected, DirectOpener, Opener};
use crate::pg::conninfo::{self, ConnectParams, Environment};

/// After a lost connection.
const RECONNECT: Duration = Duration::from_secs(3);
/// How often the demo is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Links of the lock chain: one holds, three wait, each for the one before.
const CHAIN: i32 = 4;

/// Connects to a database of the demo.
///
/// # Errors
/// Those of [`connect::connect`].
pub(super) async fn connect(demo: &Demo, database: &str, application: &str) -> Result<Connected> {
    let params = params(demo, database, application)?;
    let opener: Arc<dyn Opener> = Arc::new(DirectOpener);
    connect::connect(&params, &opener).await
}

fn params(demo: &Demo, database: &str, application: &str) -> Result<ConnectParams> {
    let text = format!(
        "host='{}' port={} user='{}' dbname={database} application_name='{application}'",
        demo.socket_directory().display(),
        demo.port(),
        demo.role()
    );
    let environment = Environment {
        variable: &|_| None,
        files: &RealFiles,
        os_user: Some(demo.role().to_owned()),
        home_directory: None,
        socket_directories: Vec::new(),
        system_directories: Vec::new(),
    };
    conninfo::resolve(&text, &environment)
}

/// What one user of the demo does, again and again.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// Short transactions, this many milliseconds apart.
    Work { sql: &'static str, pause_ms: u64 },
    /// Opens a transaction and goes away.
    LeaveOpen { sql: &'static str },
    /// A link of the lock chain.
    Chain { link: i32 },
    /// Waits for a row that a prepared transaction has locked.
    WaitForPrepared,
}

struct User {
    database: &'static str,
    application: &'static str,
    habit: Habit,
}

const fn user(database: &'static str, application: &'static str, habit: Habit) -> User {
    User { database, application, habit }
}

const fn work(sql: &'static str, pause_ms: u64) -> Habit {
    Habit::Work { sql, pause_ms }
}

const USERS: [User; 17] = [
    user(
        "shop",
        "web-1",
        work(
            "UPDATE orders SET state = 'paid', changed = now() WHERE id = 1000 + (random() * 9000)::int",
            60,
        ),
    ),
    user(
        "shop",
        "web-2",
        work("UPDATE orders SET amount = amount + 1 WHERE id = 1000 + (random() * 9000)::int", 80),
    ),
    user(
        "shop",
        "web-3",
        work("SELECT count(*), sum(amount) FROM orders WHERE customer = (random() * 500)::int", 90),
    ),
    user(
        "shop",
        "stock",
        work("UPDATE stock SET pieces = pieces - 1 WHERE article = 1 + (random() * 199)::int", 150),
    ),
    user(
        "shop",
        "reports",
        work(
            "SELECT state, count(*), avg(amount), pg_sleep(0.3) FROM orders GROUP BY state",
            2_000,
        ),
    ),
    user("shop", "faulty", work("SELECT 1 / (random() * 3)::int / 0", 45_000)),
    user(
        "bank",
        "teller-1",
        work(
            "WITH t AS (UPDATE accounts SET balance = balance - 1 WHERE id = 100 + (random() * 4000)::int RETURNING id) INSERT INTO transfers (source, amount) SELECT id, 1 FROM t",
            70,
        ),
    ),
    user(
        "bank",
        "teller-2",
        work(
            "WITH t AS (UPDATE accounts SET balance = balance + 1 WHERE id = 100 + (random() * 4000)::int RETURNING id) INSERT INTO transfers (target, amount) SELECT id, 1 FROM t",
            110,
        ),
    ),
    user(
        "analytics",
        "collector",
        work("INSERT INTO events (kind, payload) SELECT 'click', md5(random()::text)", 120),
    ),
    user(
        "analytics",
        "cleaner",
        work(
            "DELETE FROM events WHERE at < now() - interval '10 minutes' AND kind = 'click'",
            20_000,
        ),
    ),
    user("shop", "import", Habit::LeaveOpen { sql: "SELECT count(*) FROM stock" }),
    user("bank", "excel", Habit::LeaveOpen { sql: "SELECT max(balance) FROM accounts" }),
    user("shop", "batch-0", Habit::Chain { link: 0 }),
    user("shop", "batch-1", Habit::Chain { link: 1 }),
    user("shop", "batch-2", Habit::Chain { link: 2 }),
    user("shop", "batch-3", Habit::Chain { link: 3 }),
    user("bank", "teller-3", Habit::WaitForPrepared),
];

/// Runs the load until the demo's directory is gone.
///
/// # Errors
/// `DemoFailed` when there is no demo.
pub async fn run(demo: Demo) -> Result<()> {
    if !demo.exists() {
        return Err(Error::new(ErrorCode::DemoFailed, "there is no demo here")
            .detail(demo.directory().display().to_string()));
    }
    prepare(&demo).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for user in &USERS {
        tasks.spawn(live(demo.clone(), user));
    }
    while demo.exists() {
        tokio::time::sleep(LOOK).await;
    }
    tasks.abort_all();
    Ok(())
}

/// Two prepared transactions, if they are not there from before.
async fn prepare(demo: &Demo) -> Result<()> {
    for (database, gid, sql) in [
        ("bank", "transfer-7001", "UPDATE accounts SET balance = balance - 50 WHERE id = 1"),
        ("shop", "export-17", "UPDATE orders SET state = 'exported' WHERE id BETWEEN 11 AND 20"),
    ] {
        let connected = connect(demo, database, "coordinator").await?;
        let known = connected
            .client
            .query_opt("SELECT 1 FROM pg_catalog.pg_prepared_xacts WHERE gid = $1", &[&gid])
            .await
            .map_err(|error| connected.map_error(&error))?;
        if known.is_none() {
            let script = format!("BEGIN; {sql}; PREPARE TRANSACTION '{gid}'");
            let run = connected.client.batch_execute(&script).await;
            run.map_err(|error| connected.map_error(&error))?;
        }
    }
    Ok(())
}

async fn live(demo: Demo, user: &'static User) {
    loop {
        if let Ok(connected) = connect(&demo, user.database, user.application).await {
            // Whatever ends it (a terminate, a stop, an error of its own), it comes back.
            let _ = follow(&connected, user.habit).await;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn follow(connected: &Connected, habit: Habit) -> Result<(), tokio_postgres::Error> {
    let client = &connected.client;
    match habit {
        Habit::Work { sql, pause_ms } => loop {
            // Its own errors are what the log is to show.
            match client.simple_query(sql).await {
                Err(error) if error.as_db_error().is_none() => return Err(error),
                _ => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
            }
        },
        Habit::LeaveOpen { sql } => {
            client.batch_execute(&format!("BEGIN; {sql}")).await?;
            until_closed(client).await
        }
        Habit::Chain { link } => {
            // In order, so that each waits for the one before.
            let delay = u64::try_from(link).unwrap_or(0);
            tokio::time::sleep(Duration::from_secs(delay)).await;
            let own = link + 1;
            client
                .batch_execute(&format!(
                    "BEGIN; UPDATE orders SET changed = now() WHERE id = {own}"
                ))
                .await?;
            if (1..CHAIN).contains(&link) {
                client
                    .batch_execute(&format!("UPDATE orders SET state = 'batch' WHERE id = {link}"))
                    .await?;
            }
            until_closed(client).await
        }
        Habit::WaitForPrepared => {
            client.batch_execute("UPDATE accounts SET balance = balance + 50 WHERE id = 1").await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }
    }
}

/// An idle session notices only that its connection is closed.
async fn until_closed(client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
    while !client.is_closed() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
