//! A primary and its standby: both hold what anybody was told, and neither holds what was destroyed.

use domain::id::SubjectId;
use event_log::vault::file::FileKeys;
use event_log::vault::keys::{KeyRow, KeyStore as _, KeyStoreError, News, StoredKey};
use event_log::vault::{Opened, VaultError};
use rusqlite::Connection;

use super::kit::{
    MASTER, OTHER_MASTER, Pair, Served, at, config, dead, live, made, prepare, primary_config, remote, standby_config,
    stands_in, subject, vault, wrapped,
};
use crate::config::{VaultConfig, VaultNodeConfig, VaultRole};
use crate::vault_node::remote::{RemoteKeys, RemoteOptions};
use crate::vault_node::wire::FaultCode;

fn unavailable<T>(result: Result<T, KeyStoreError>) -> String {
    match result {
        Err(KeyStoreError::Unavailable { reason }) => reason,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was done"),
    }
}

#[test]
fn a_key_is_on_both_disks_before_anybody_is_told() {
    let pair = Pair::start();
    let keys = pair.client();
    keys.insert_missing(&[made("a", 1)], at(0)).unwrap();
    keys.insert_missing(&[made("a", 2), made("b", 2)], at(1)).unwrap();
    keys.destroy(subject("b"), at(2)).unwrap();
    for node in [&pair.primary, &pair.standby] {
        assert_eq!(node.has(subject("a")), Some(wrapped(1)));
        assert_eq!(node.has(subject("b")), Some(StoredKey::Destroyed(at(2))));
    }
}

#[test]
fn a_destroyed_key_is_in_no_file_of_either_node() {
    let pair = Pair::start();
    let vault = vault(pair.client(), MASTER, true).unwrap();
    let sealed = vault.seal(subject("a"), "name", "陈大文").unwrap();
    let Some(StoredKey::Wrapped(wrapped)) = pair.primary.has(subject("a")) else { panic!("it was sealed") };
    for folder in &pair.folders {
        assert!(stands_in(folder.path(), &wrapped));
    }
    vault.destroy(subject("a")).unwrap();
    for folder in &pair.folders {
        assert!(!stands_in(folder.path(), &wrapped), "{}", folder.path().display());
    }
    assert_eq!(vault.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Erased);
}

#[test]
fn without_its_standby_a_primary_finds_and_makes_nothing() {
    let pair = Pair::start();
    pair.primary.step().unwrap();
    let keys = pair.client();
    keys.insert_missing(&[made("a", 1), made("b", 1)], at(0)).unwrap();
    let Pair { folders, primary, standby } = pair;
    let addr = standby.stop();

    let reason = unavailable(keys.insert_missing(&[made("c", 1)], at(1)));
    assert!(reason.contains("standby"), "{reason}");
    assert_eq!(primary.has(subject("c")), None, "nothing that only one of them holds");
    assert_eq!(keys.insert_missing(&[made("a", 2)], at(1)).unwrap().given, [wrapped(1)], "what exists is told");
    assert_eq!(keys.find(&[subject("a")]).unwrap().given, [Some(wrapped(1))]);

    let half = keys.destroy(subject("b"), at(2));
    assert!(matches!(half, Err(KeyStoreError::HalfDestroyed)), "{half:?}");
    assert_eq!(keys.find(&[subject("b")]).unwrap().given, [Some(StoredKey::Destroyed(at(2)))], "here it is gone");
    assert!(!primary.node.is_in_step());

    let standby = Served::start(folders[1].path(), &VaultNodeConfig { listen: addr, ..standby_config() });
    assert_eq!(standby.has(subject("b")), Some(wrapped(1)));
    assert_eq!(keys.destroy(subject("b"), at(3)).unwrap().given, at(2), "done once more, it is done");
    assert_eq!(standby.has(subject("b")), Some(StoredKey::Destroyed(at(2))));
    primary.step().unwrap();
    assert!(primary.node.is_in_step() && standby.node.is_in_step());
}

#[test]
fn what_was_destroyed_here_alone_is_destroyed_there_by_itself() {
    let pair = Pair::start();
    let keys = pair.client();
    keys.insert_missing(&[made("a", 0x5a)], at(0)).unwrap();
    let Pair { folders, primary, standby } = pair;
    let addr = standby.stop();
    assert!(keys.destroy(subject("a"), at(2)).is_err());
    assert!(stands_in(folders[1].path(), &[0x5a; 60]));
    let standby = Served::start(folders[1].path(), &VaultNodeConfig { listen: addr, ..standby_config() });
    primary.step().unwrap();
    assert_eq!(standby.has(subject("a")), Some(StoredKey::Destroyed(at(2))));
    assert!(!stands_in(folders[1].path(), &[0x5a; 60]));
}

#[test]
fn what_was_begun_reaches_the_standby_when_whoever_asked_hangs_up() {
    let pair = Pair::start();
    pair.client().insert_missing(&[made("a", 1)], at(0)).unwrap();
    pair.primary.step().unwrap();
    pair.primary.hang_up(pair.primary.node.destroy(subject("a"), at(2)));
    pair.primary.hang_up(pair.primary.node.insert(vec![live("b", 1)]));
    let Pair { folders, primary, standby } = pair;
    // Waits for what is under way.
    primary.stop();
    let primary = FileKeys::open(&folders[0].path().join("vault.sqlite"), false).unwrap();
    let stands = [Some(StoredKey::Destroyed(at(2))), Some(wrapped(1))];
    assert_eq!(primary.find(&[subject("a"), subject("b")]).unwrap().given, stands);
    assert_eq!([standby.has(subject("a")), standby.has(subject("b"))], stands);
}

#[test]
fn whoever_destroys_a_key_while_a_file_is_read_is_told_in_time() {
    let pair = Pair::start();
    let timeout = VaultConfig::default().timeout();
    let options = RemoteOptions { url: pair.primary.url(), standby: None, files: None, timeout };
    let keys = RemoteKeys::start(&options).unwrap();
    keys.insert_missing(&[made("a", 1)], at(0)).unwrap();
    // As a backup reads it.
    let reader = Connection::open(pair.folders[0].path().join("vault.sqlite")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM subject_key", [], |row| row.get::<_, i64>(0)).unwrap();
    let told = keys.destroy(subject("a"), at(2));
    assert!(matches!(told, Err(KeyStoreError::Lingering)), "{told:?}");
    assert_eq!(pair.standby.has(subject("a")), Some(StoredKey::Destroyed(at(2))));
    drop(reader);
    assert_eq!(keys.destroy(subject("a"), at(3)).unwrap().given, at(2), "done once more, it is done");
}

#[test]
fn where_the_standby_is_not_required_keys_are_made_and_brought_later() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let standby = Served::start(folders[1].path(), &standby_config());
    let alone = VaultNodeConfig { standby_required: false, ..primary_config(&standby) };
    let primary = Served::start(folders[0].path(), &alone);
    let addr = standby.stop();
    let keys = remote(&primary.url(), None, None);
    assert_eq!(keys.insert_missing(&[made("a", 1)], at(0)).unwrap().given, [wrapped(1)]);
    let half = keys.destroy(subject("b"), at(1));
    assert!(matches!(half, Err(KeyStoreError::HalfDestroyed)), "destroying always needs both: {half:?}");
    let standby = Served::start(folders[1].path(), &VaultNodeConfig { listen: addr, ..standby_config() });
    primary.step().unwrap();
    assert_eq!(primary.rows(), standby.rows());
}

#[test]
fn while_the_primary_is_away_its_standby_is_read_from() {
    let pair = Pair::start();
    pair.primary.step().unwrap();
    let keys = pair.client();
    keys.insert_missing(&[made("a", 1), made("b", 1)], at(0)).unwrap();
    keys.destroy(subject("b"), at(1)).unwrap();
    let News::Lost { upto } = keys.destroyed_since(None).unwrap() else { panic!("no cursor, no news") };
    let Pair { folders, primary, standby } = pair;
    let addr = primary.stop();

    let found = keys.find(&[subject("a"), subject("b")]).unwrap();
    assert_eq!(found.given, [Some(wrapped(1)), Some(StoredKey::Destroyed(at(1)))]);
    assert!(!found.as_of.covers(upto), "a key of the standby is not kept by who listened to the primary");
    let news = keys.destroyed_since(Some(upto)).unwrap();
    assert_eq!(news, News::Lost { upto: standby.node.keys().head() });
    unavailable(keys.find(&[subject("a"), subject("c")]));
    unavailable(keys.insert_missing(&[made("c", 1)], at(2)));
    unavailable(keys.destroy(subject("a"), at(2)).map(drop));
    assert_eq!(standby.has(subject("a")), Some(wrapped(1)));

    let back = VaultNodeConfig { listen: addr, ..primary_config(&standby) };
    let primary = Served::start(folders[0].path(), &back);
    assert_eq!(keys.find(&[subject("c")]).unwrap().given, [None], "only the primary can say so");
    keys.insert_missing(&[made("c", 1)], at(2)).unwrap();
    assert_eq!(primary.has(subject("c")), standby.has(subject("c")));
}

#[test]
fn a_standby_is_read_from_only_when_it_is_known_to_hold_everything() {
    let pair = Pair::start();
    let keys = pair.client();
    keys.insert_missing(&[made("a", 1)], at(0)).unwrap();
    let Pair { folders, primary, standby } = pair;
    let addr = primary.stop();
    unavailable(keys.find(&[subject("a")]));

    let back = VaultNodeConfig { listen: addr, ..primary_config(&standby) };
    let primary = Served::start(folders[0].path(), &back);
    primary.step().unwrap();
    keys.find(&[subject("a")]).unwrap();
    let place = standby.stop();
    let standby = Served::start(folders[1].path(), &VaultNodeConfig { listen: place, ..standby_config() });
    primary.stop();
    let reason = unavailable(keys.find(&[subject("a")]));
    assert!(reason.contains("has not heard"), "it may have been restored from an old backup: {reason}");
    drop(standby);
}

#[test]
fn both_files_are_brought_together_and_a_destruction_wins() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    prepare(folders[0].path(), &[live("a", 1), dead("b", 1), live("both", 1), dead("c", 1)]);
    prepare(folders[1].path(), &[dead("a", 2), live("b", 1), live("both", 1), live("d", 1)]);
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    primary.step().unwrap();
    assert_eq!(primary.rows(), standby.rows());
    for (which, stands) in [
        ("a", StoredKey::Destroyed(at(2))),
        ("b", StoredKey::Destroyed(at(1))),
        ("c", StoredKey::Destroyed(at(1))),
        ("d", wrapped(1)),
        ("both", wrapped(1)),
    ] {
        assert_eq!(primary.has(subject(which)), Some(stands), "{which}");
    }
    assert!(primary.node.is_in_step() && standby.node.is_in_step());
    primary.step().unwrap();
    assert!(primary.node.is_in_step(), "and stay so");
}

#[test]
fn a_primary_from_an_older_backup_hands_out_nothing_that_is_destroyed_on_its_standby() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let people: Vec<String> = (0..1_500).map(|which| which.to_string()).collect();
    let rows = |row: fn(&str) -> KeyRow| people.iter().map(|which| row(which)).collect::<Vec<_>>();
    prepare(folders[0].path(), &rows(|which| live(which, 1)));
    prepare(folders[1].path(), &[rows(|which| dead(which, 2)), vec![live("later", 1)]].concat());
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    let asked: Vec<SubjectId> = people.iter().map(|which| subject(which)).collect();
    let found = remote(&primary.url(), None, None).find(&asked).unwrap().given;
    assert!(found.iter().all(|key| *key == Some(StoredKey::Destroyed(at(2)))), "{found:?}");
    assert_eq!(primary.has(subject("later")), None, "nobody waits for the rest");
    assert!(!primary.node.is_in_step() && !standby.node.is_in_step());
    primary.step().unwrap();
    assert_eq!(primary.rows(), standby.rows());
}

#[test]
fn a_primary_whose_standby_is_away_serves_what_its_file_holds() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    prepare(folders[0].path(), &[live("a", 1)]);
    let standby = Served::start(folders[1].path(), &standby_config());
    let config = primary_config(&standby);
    standby.stop();
    let primary = Served::start(folders[0].path(), &config);
    assert_eq!(remote(&primary.url(), None, None).find(&[subject("a")]).unwrap().given, [Some(wrapped(1))]);
    assert!(!primary.node.is_in_step());
}

#[test]
fn many_rows_are_brought_over_page_by_page() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let rows = |from: usize, to: usize| (from..to).map(|which| live(&which.to_string(), 1)).collect::<Vec<_>>();
    prepare(folders[0].path(), &rows(0, 2_500));
    prepare(folders[1].path(), &rows(2_000, 4_500));
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    primary.step().unwrap();
    assert_eq!((primary.rows().len(), standby.rows().len()), (4_500, 4_500));
}

#[test]
fn two_keys_for_one_person_are_reported_and_left_alone() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    prepare(folders[0].path(), &[live("a", 1)]);
    prepare(folders[1].path(), &[live("a", 2), live("b", 2)]);
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    let fault = primary.step().unwrap_err();
    assert_eq!(fault.code, FaultCode::StandbyDiffers);
    assert!(fault.message.contains(&subject("a").to_string()), "{fault}");
    assert!(!primary.node.is_in_step() && !standby.node.is_in_step());
    assert_eq!((primary.has(subject("a")), standby.has(subject("a"))), (Some(wrapped(1)), Some(wrapped(2))));
}

#[test]
fn the_word_of_the_standby_stands_for_a_key_that_the_primary_lacks() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // A primary that was lost between the two disks: the maker was told nothing, the standby has the key.
    prepare(folders[1].path(), &[live("a", 1)]);
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    let keys = remote(&primary.url(), None, None);
    assert_eq!(keys.insert_missing(&[made("a", 2)], at(1)).unwrap().given, [wrapped(1)]);
    assert_eq!(primary.has(subject("a")), Some(wrapped(1)));
}

#[test]
fn a_standby_of_another_installation_gets_nothing() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (folder, master) in [(&folders[0], MASTER), (&folders[1], OTHER_MASTER)] {
        let served = Served::start(folder.path(), &config());
        drop(vault(remote(&served.url(), None, None), master, true).unwrap());
        served.stop();
    }
    let standby = Served::start(folders[1].path(), &standby_config());
    let primary = Served::start(folders[0].path(), &primary_config(&standby));
    let fault = primary.step().unwrap_err();
    assert_eq!(fault.code, FaultCode::StandbyDiffers);
    assert!(fault.message.contains("another installation"), "{fault}");
}

#[test]
fn a_standby_is_promoted_and_the_old_primary_becomes_its_standby() {
    let pair = Pair::start();
    pair.primary.step().unwrap();
    let before = vault(pair.client(), MASTER, true).unwrap();
    let sealed = before.seal(subject("a"), "name", "陈大文").unwrap();
    let Pair { folders, primary, standby } = pair;
    primary.stop();
    standby.stop();

    // Alone at first, as a standby is promoted while the primary is lost.
    let promoted = Served::start(folders[1].path(), &VaultNodeConfig { role: VaultRole::Primary, ..config() });
    let after = vault(remote(&promoted.url(), None, None), MASTER, false).unwrap();
    assert_eq!(after.open_sealed(subject("a"), "name", &sealed).unwrap(), Opened::Plain("陈大文".to_owned()));
    let later = after.seal(subject("b"), "name", "李小明").unwrap();
    drop(after);
    promoted.stop();
    let former = Served::start(folders[0].path(), &standby_config());
    let promoted = Served::start(folders[1].path(), &primary_config(&former));
    promoted.step().unwrap();
    let after = vault(remote(&promoted.url(), Some(&former.url()), None), MASTER, false).unwrap();
    assert_eq!(after.open_sealed(subject("b"), "name", &later).unwrap(), Opened::Plain("李小明".to_owned()));
    assert_eq!(former.rows(), promoted.rows());
    after.destroy(subject("a")).unwrap();
    assert!(matches!(former.has(subject("a")), Some(StoredKey::Destroyed(_))));
    let refused = after.seal(subject("a"), "name", "陈大文");
    assert!(matches!(refused, Err(VaultError::Destroyed { .. })), "{refused:?}");
}
