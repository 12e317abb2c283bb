//! The messages that mark the life of a server, in every language.
//!
//! Whether a server came up, stopped or crashed, and which prepared transactions it recovered,
//! must be understood whatever `lc_messages` says.

use crate::api::LogEntry;
use crate::logs::wild;

use super::plain;

/// What a message says of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// A first process begins.
    Starting,
    /// Connections are accepted.
    Ready,
    /// The first process ends.
    ShutDown,
    /// The stop before this start was not clean.
    AfterCrash,
    /// It was.
    AfterStop,
    /// A prepared transaction is taken over.
    Prepared,
    /// The startup process failed.
    GaveUp,
}

/// What the first line of an entry says, with the texts that differ.
pub(super) fn known(message: &str) -> Option<(Known, Vec<&str>)> {
    MESSAGES
        .iter()
        .find_map(|(known, pattern)| wild::captures(pattern, message).map(|texts| (*known, texts)))
}

/// As [`known`], of an entry.
pub(super) fn known_entry(entry: &LogEntry) -> Option<Known> {
    known(&plain(entry)).map(|(known, _)| known)
}

/// Source: as for the severity words, the message catalogs of Debian's `postgresql-15`, first
/// lines only, without quotes. The English ones were seen on 13 to 18; "read only" is of 13.
/// Georgian has one text for two messages about a stop in recovery; the line after it decides.
#[rustfmt::skip]
const MESSAGES: &[(Known, &str)] = &[
    // en
    (Known::Starting, "starting PostgreSQL *"),
    (Known::Ready, "database system is ready to accept connections"),
    (Known::Ready, "database system is ready to accept read-only connections"),
    (Known::Ready, "database system is ready to accept read only connections"),
    (Known::ShutDown, "database system is shut down"),
    (Known::AfterCrash, "database system was interrupted; last known up at *"),
    (Known::AfterCrash, "database system was interrupted while in recovery at *"),
    (Known::AfterCrash, "database system was interrupted while in recovery at log time *"),
    (Known::AfterCrash, "database system shutdown was interrupted; last known up at *"),
    (Known::AfterCrash, "database system was not properly shut down; automatic recovery in progress"),
    (Known::AfterStop, "database system was shut down at *"),
    (Known::AfterStop, "database system was shut down in recovery at *"),
    (Known::Prepared, "recovering prepared transaction * from shared memory"),
    (Known::GaveUp, "shutting down due to startup process failure"),
    (Known::GaveUp, "aborting startup due to startup process failure"),
    (Known::GaveUp, "startup process (PID *)*"),
    // de
    (Known::Starting, "PostgreSQL * startet"),
    (Known::Ready, "Datenbanksystem ist bereit, um Verbindungen anzunehmen"),
    (Known::Ready, "Datenbanksystem ist bereit, um lesende Verbindungen anzunehmen"),
    (Known::ShutDown, "Datenbanksystem ist heruntergefahren"),
    (Known::AfterCrash, "Datenbanksystem wurde unterbrochen; letzte bekannte Aktion am *"),
    (Known::AfterCrash, "Datenbanksystem wurde während der Wiederherstellung am * unterbrochen"),
    (Known::AfterCrash, "Datenbanksystem wurde während der Wiederherstellung bei Logzeit * unterbrochen"),
    (Known::AfterCrash, "Datenbanksystem wurde beim Herunterfahren unterbrochen; letzte bekannte Aktion am *"),
    (Known::AfterCrash, "Datenbanksystem wurde nicht richtig heruntergefahren; automatische Wiederherstellung läuft"),
    (Known::AfterStop, "Datenbanksystem wurde am * heruntergefahren"),
    (Known::AfterStop, "Datenbanksystem wurde während der Wiederherstellung am * heruntergefahren"),
    (Known::Prepared, "Wiederherstellung der vorbereiteten Transaktion * aus dem Shared Memory"),
    (Known::GaveUp, "fahre herunter wegen Startprozessfehler"),
    (Known::GaveUp, "Serverstart abgebrochen wegen Startprozessfehler"),
    (Known::GaveUp, "Startprozess (PID *)*"),
    // es
    (Known::Starting, "iniciando PostgreSQL *"),
    (Known::Ready, "el sistema de bases de datos está listo para aceptar conexiones"),
    (Known::Ready, "el sistema de bases de datos está listo para aceptar conexiones de sólo lectura"),
    (Known::ShutDown, "el sistema de bases de datos está apagado"),
    (Known::AfterCrash, "el sistema de bases de datos fue interrumpido; última vez en funcionamiento en *"),
    (Known::AfterCrash, "el sistema de bases de datos fue interrumpido durante la recuperación en *"),
    (Known::AfterCrash, "el sistema de bases de datos fue interrumpido durante la recuperación en el instante de registro *"),
    (Known::AfterCrash, "el apagado del sistema de datos fue interrumpido; última vez registrada en funcionamiento en *"),
    (Known::AfterCrash, "el sistema de bases de datos no fue apagado apropiadamente; se está efectuando la recuperación automática"),
    (Known::AfterStop, "el sistema de bases de datos fue apagado en *"),
    (Known::AfterStop, "el sistema de bases de datos fue apagado durante la recuperación en *"),
    (Known::Prepared, "recuperando transacción preparada * desde memoria compartida"),
    (Known::GaveUp, "apagando debido a una falla en el procesamiento de inicio"),
    (Known::GaveUp, "abortando el inicio debido a una falla en el procesamiento de inicio"),
    (Known::GaveUp, "proceso de inicio (PID *)*"),
    // fr
    (Known::Starting, "démarrage de PostgreSQL *"),
    (Known::Ready, "le système de bases de données est prêt pour accepter les connexions"),
    (Known::Ready, "le système de bases de données est prêt pour accepter les connexions en lecture seule"),
    (Known::ShutDown, "le système de base de données est arrêté"),
    (Known::AfterCrash, "le système de bases de données a été interrompu ; dernier lancement connu à *"),
    (Known::AfterCrash, "le système de bases de données a été interrompu lors d'une restauration à *"),
    (Known::AfterCrash, "le système de bases de données a été interrompu lors d'une récupération à *"),
    (Known::AfterCrash, "le système de bases de données n'a pas été arrêté proprement ; restauration"),
    (Known::AfterStop, "le système de bases de données a été arrêté à *"),
    (Known::AfterStop, "le système de bases de données a été arrêté pendant la restauration à *"),
    (Known::Prepared, "récupération de la transaction préparée * à partir de la mémoire partagée"),
    (Known::GaveUp, "arrêt à cause d'un échec du processus startup"),
    (Known::GaveUp, "annulation du démarrage à cause d'un échec dans le processus de lancement"),
    (Known::GaveUp, "processus de lancement (PID *)*"),
    // it
    (Known::Starting, "a partire da PostgreSQL *"),
    (Known::Ready, "il database è pronto ad accettare connessioni"),
    (Known::Ready, "il sistema di database è pronto per accettare connessioni di sola lettura"),
    (Known::ShutDown, "il database è stato arrestato"),
    (Known::AfterCrash, "il database è stato interrotto; l'ultimo segno di vita risale alle *"),
    (Known::AfterCrash, "il database è stato interrotto alle * mentre era in fase di ripristino"),
    (Known::AfterCrash, "il database è stato interrotto all'orario di log * mentre era in fase di ripristino"),
    (Known::AfterCrash, "l'arresto del database è stato interrotto; l'ultimo segno di vita risale alle *"),
    (Known::AfterCrash, "il database non è stato arrestato correttamente; ripristino automatico in corso"),
    (Known::AfterStop, "il database è stato arrestato alle *"),
    (Known::AfterStop, "il database è stato arrestato durante il ripristino alle *"),
    (Known::Prepared, "recupero di * transazioni preparate dalla memoria condivisa"),
    (Known::GaveUp, "chiusura a causa di un errore del processo di avvio"),
    (Known::GaveUp, "avvio interrotto a causa del fallimento del processo di avvio"),
    (Known::GaveUp, "avvio del processo (PID *)*"),
    // ja
    (Known::Starting, "PostgreSQL * を起動しています"),
    (Known::Ready, "データベースシステムの接続受け付け準備が整いました"),
    (Known::Ready, "データベースシステムはリードオンリー接続の受け付け準備ができました"),
    (Known::ShutDown, "データベースシステムはシャットダウンしました"),
    (Known::AfterCrash, "データベースシステムは中断されました: * まで動作していたことは確認できます"),
    (Known::AfterCrash, "データベースシステムはリカバリ中 * に中断されました"),
    (Known::AfterCrash, "データベースシステムはリカバリ中ログ時刻 * に中断されました"),
    (Known::AfterCrash, "データベースシステムはシャットダウン中に中断されました; * まで動作していたことは確認できます"),
    (Known::AfterCrash, "データベースシステムは正しくシャットダウンされていません; 自動リカバリを実行中"),
    (Known::AfterStop, "データベースシステムは * にシャットダウンしました"),
    (Known::AfterStop, "データベースシステムはリカバリ中 * にシャットダウンしました"),
    (Known::Prepared, "共有メモリから準備済みトランザクション*を復元します"),
    (Known::GaveUp, "起動プロセスの失敗のためシャットダウンしています"),
    (Known::GaveUp, "起動プロセスの失敗のため起動を中断しています"),
    (Known::GaveUp, "起動プロセス (PID *)*"),
    // ka
    (Known::Starting, "PostgreSQL *-ის გაშვება"),
    (Known::Ready, "მონაცემთა ბაზის სისტემა მზადაა შეერთებების მისაღებად"),
    (Known::Ready, "მონაცემთა ბაზის სისტემა მზადაა მხოლოდ-კითხვადი შეერთებების მისაღებად"),
    (Known::ShutDown, "მონაცემთა ბაზის სისტემა გათიშულია"),
    (Known::AfterCrash, "მონაცემთა ბაზა შეწყვეტილია; ბოლოს ჩართული იყო: *"),
    (Known::AfterCrash, "მონაცემთა ბაზის სისტემა გაითიშა აღდგენისას ჟურნალის დროს *"),
    (Known::AfterCrash, "მონაცემთა ბაზა არასწორად გამოირთო; მიმდინარეობს ავტომატური აღდეგენა"),
    (Known::AfterStop, "მონაცემთა ბაზის სისტემის გათიშვის დრო: *"),
    (Known::AfterStop, "მონაცემთა ბაზის სისტემის აღდგენისას გათიშვის დრო: *"),
    (Known::Prepared, "მიმდინარეობს გაზიარებული მეხსიერებიდან წინასწარ მომზადებული ტრანზაქციის აღდგენა: *"),
    (Known::GaveUp, "მუშაობის დასრულება გამშვები პროცესის შეცდომის გამო"),
    (Known::GaveUp, "გაშვების გაუქმება გაშვების პროცესის შეცდომის გამო"),
    (Known::GaveUp, "გაშვების პროცესი (PID *)*"),
    // ko
    (Known::Starting, "PostgreSQL * 서버를 시작합니다."),
    (Known::Ready, "이제 데이터베이스 서버로 접속할 수 있습니다"),
    (Known::Ready, "데이터베이스 시스템이 읽기 전용으로 연결을 수락할 준비가 되었습니다."),
    (Known::ShutDown, "데이터베이스 시스템 서비스를 중지했습니다"),
    (Known::AfterCrash, "데이터베이스 시스템이 비정상적으로 종료되었음; 마지막 운영시간: *"),
    (Known::AfterCrash, "데이터베이스 시스템 복구하는 도중 비정상적으로 가동 중지된 시각: *"),
    (Known::AfterCrash, "데이터베이스 시스템이 로그 시간 *에 복구 도중 중지 되었음"),
    (Known::AfterCrash, "데이터베이스 시스템 셧다운 작업이 비정상적으로 종료되었음; 마지막 운영시간: *"),
    (Known::AfterCrash, "데이터베이스 시스템이 정상적으로 종료되지 못했습니다, 자동 복구 작업을 진행합니다"),
    (Known::AfterStop, "데이터베이스 시스템 마지막 가동 중지 시각: *"),
    (Known::AfterStop, "복구 중 데이터베이스 시스템 마지막 가동 중지 시각: *"),
    (Known::Prepared, "공유 메모리에서 * 준비된 트랜잭션을 복구함"),
    (Known::GaveUp, "시작 작업 실패로 중지합니다."),
    (Known::GaveUp, "시작 프로세스 실패 때문에 서버 시작이 중지 되었습니다"),
    (Known::GaveUp, "시작 프로세스 (PID *)*"),
    // ru
    (Known::Starting, "запускается PostgreSQL *"),
    (Known::Ready, "система БД готова принимать подключения"),
    (Known::Ready, "система БД готова принимать подключения в режиме только чтение"),
    (Known::ShutDown, "система БД выключена"),
    (Known::AfterCrash, "работа системы БД была прервана; последний момент работы: *"),
    (Known::AfterCrash, "работа системы БД была прервана во время восстановления: *"),
    (Known::AfterCrash, "работа системы БД была прервана в процессе восстановления, время в журнале: *"),
    (Known::AfterCrash, "выключение системы БД было прервано; последний момент работы: *"),
    (Known::AfterCrash, "система БД была остановлена нештатно; производится автоматическое восстановление"),
    (Known::AfterStop, "система БД была выключена: *"),
    (Known::AfterStop, "система БД была выключена в процессе восстановления: *"),
    (Known::Prepared, "восстановление подготовленной транзакции * из разделяемой памяти"),
    (Known::GaveUp, "сервер останавливается из-за ошибки в стартовом процессе"),
    (Known::GaveUp, "стартовый процесс (PID *)*"),
    // sv
    (Known::Starting, "startar PostgreSQL *"),
    (Known::Ready, "databassystemet är redo att ta emot anslutningar"),
    (Known::Ready, "databassystemet är redo att ta emot read-only-anslutningar"),
    (Known::ShutDown, "databassystemet är nedstängt"),
    (Known::AfterCrash, "databassystemet avbröts; senast kända upptidpunkt vid *"),
    (Known::AfterCrash, "databassystemet avbröts under återställning vid *"),
    (Known::AfterCrash, "databassystemet avbröts under återställning vid loggtid *"),
    (Known::AfterCrash, "nedstängning av databasen avbröts; senast kända upptidpunkt vid *"),
    (Known::AfterCrash, "databassystemet stängdes inte ned korrekt; automatisk återställning pågår"),
    (Known::AfterStop, "databassystemet stängdes ner vid *"),
    (Known::AfterStop, "databassystemet stängdes ner under återställning vid *"),
    (Known::Prepared, "återskapar förberedd transaktion * från delat minne"),
    (Known::GaveUp, "stänger ner på grund av fel i startprocessen"),
    (Known::GaveUp, "avbryter uppstart på grund av fel i startprocessen"),
    (Known::GaveUp, "uppstartprocess (PID *)*"),
    // uk
    (Known::Starting, "початок PostgreSQL *"),
    (Known::Ready, "система бази даних готова до отримання підключення"),
    (Known::Ready, "система бази даних готова до отримання підключення лише для читання"),
    (Known::ShutDown, "система бази даних вимкнена"),
    (Known::AfterCrash, "робота системи бази даних була перервана; останній момент роботи *"),
    (Known::AfterCrash, "система бази даних була перервана в процесі відновлення *"),
    (Known::AfterCrash, "робота системи бази даних була перервана в процесі відновлення, час в журналі *"),
    (Known::AfterCrash, "завершення роботи бази даних було перервано; останній момент роботи *"),
    (Known::AfterCrash, "робота системи бази даних не була завершена належним чином; відбувається автоматичне відновлення"),
    (Known::AfterStop, "система бази даних була вимкнена *"),
    (Known::AfterStop, "система бази даних завершила роботу у процесі відновлення *"),
    (Known::Prepared, "відновлення підготовленої транзакції * із спільної пам'яті"),
    (Known::GaveUp, "завершення роботи через помилку в стартовому процесі"),
    (Known::GaveUp, "переривання запуску через помилку в стартовому процесі"),
    (Known::GaveUp, "стартовий процес (PID *)*"),
    // zh_CN
    (Known::Starting, "正在启动 PostgreSQL *"),
    (Known::Ready, "数据库系统准备接受连接"),
    (Known::Ready, "数据库系统准备接受只读请求的连接"),
    (Known::ShutDown, "数据库系统已关闭"),
    (Known::AfterCrash, "数据库系统中断；上一次的启动时间是在*"),
    (Known::AfterCrash, "恢复时, 数据库系统在 * 被中断"),
    (Known::AfterCrash, "当日志时间*进行恢复时，数据库系统被中断"),
    (Known::AfterCrash, "数据库系统关闭操作被中断；上一次已知的运行是在*"),
    (Known::AfterCrash, "数据库系统没有正确的关闭; 处于自动恢复状态中"),
    (Known::AfterStop, "数据库上次关闭时间为 *"),
    (Known::AfterStop, "在*，数据库在恢复中关闭"),
    (Known::Prepared, "正在从共享内存中恢复已准备事务*"),
    (Known::GaveUp, "由于启动进程失败, 终止启动"),
    (Known::GaveUp, "启动进程 (PID *)*"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_says_two_things() {
        for (at, (expect, pattern)) in MESSAGES.iter().enumerate() {
            let message = pattern.replace('*', "733");
            let (got, _) = known(&message).unwrap();
            assert_eq!(got, *expect, "{at}: {pattern}");
        }
        assert_eq!(known("division by zero"), None);
    }

    #[test]
    fn the_transaction_is_found_in_every_language() {
        for (known_as, pattern) in MESSAGES {
            if *known_as == Known::Prepared {
                let message = pattern.replace('*', "733");
                assert_eq!(known(&message), Some((Known::Prepared, vec!["733"])));
            }
        }
    }
}
