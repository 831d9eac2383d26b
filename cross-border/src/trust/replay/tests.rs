use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn signature(key: &str, nonce: &str, created: i64, expires: i64) -> Claimed {
    Claimed { key: KeyId::parse(key).unwrap(), created: at(created), expires: at(expires), nonce: nonce.to_owned() }
}

fn remembered(table: &ReplayTable) -> (usize, usize) {
    let seen = table.seen.lock().unwrap();
    let by_expiry = seen.by_key.values().flat_map(|spent| spent.by_expiry.values());
    (seen.by_key.values().map(|spent| spent.nonces.len()).sum(), by_expiry.map(Vec::len).sum())
}

#[test]
fn a_signature_is_good_for_one_request() {
    let table = ReplayTable::new(at(0));
    let one = signature("hk:1", "n-1", 10, 130);
    assert_eq!(table.take(&one, at(10)), Ok(()));
    for moment in [10, 11, 130] {
        assert_eq!(table.take(&one, at(moment)), Err(RequestRefused::Replayed));
    }
    // The nonce is what counts, not the rest of the signature; and it is that of one key.
    assert_eq!(table.take(&signature("hk:1", "n-1", 20, 140), at(20)), Err(RequestRefused::Replayed));
    assert_eq!(table.take(&signature("hk:1", "n-2", 20, 140), at(130)), Ok(()));
    assert_eq!(table.take(&signature("mo:1", "n-1", 20, 140), at(130)), Ok(()));
}

#[test]
fn what_expired_is_forgotten_and_stays_refused() {
    let table = ReplayTable::new(at(0));
    let one = signature("hk:1", "n-1", 10, 130);
    table.take(&one, at(10)).unwrap();
    table.take(&signature("hk:1", "n-2", 10, 140), at(10)).unwrap();
    assert_eq!(remembered(&table), (2, 2));
    assert_eq!(table.take(&one, at(131)), Err(RequestRefused::Expired));
    assert_eq!(remembered(&table), (1, 1));
    // The clock goes back: the nonce is no longer known, and the signature still not taken.
    assert_eq!(table.take(&one, at(20)), Err(RequestRefused::Expired));
    assert_eq!(table.take(&signature("hk:1", "n-2", 10, 140), at(20)), Err(RequestRefused::Replayed));
    // Whoever reuses a nonce after its time is not told apart from one who draws it anew.
    assert_eq!(table.take(&signature("hk:1", "n-1", 200, 320), at(200)), Ok(()));
    assert_eq!(remembered(&table), (1, 1));
}

#[test]
fn what_was_made_before_the_start_is_refused_by_whole_seconds() {
    // A signature made in the second of the start says so, and half a second more is nothing that it could say.
    let table = ReplayTable::new(at(10) + TimeDelta::milliseconds(500));
    assert_eq!(table.take(&signature("hk:1", "n-1", 9, 129), at(11)), Err(RequestRefused::BeforeStart));
    assert_eq!(table.take(&signature("hk:1", "n-1", 10, 130), at(11)), Ok(()));
}

#[test]
fn no_signature_is_used_again_across_a_restart_however_far_a_clock_is_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let table = |started: i64| ReplayTable::kept_in(folder.path().join("seen.json"), at(started));
    let ahead = signature("hk:1", "n-1", 39, 159);
    let earlier = table(0);
    assert_eq!(earlier.take(&ahead, at(9)), Ok(()));
    assert_eq!(earlier.take(&signature("hk:1", "n-2", 8, 128), at(9)), Ok(()), "an older one changes nothing");

    let later = table(10);
    for moment in [10, 39, 159] {
        assert_eq!(later.take(&ahead, at(moment)), Err(RequestRefused::BeforeStart));
    }
    assert_eq!(later.take(&signature("hk:1", "n-3", 39, 159), at(20)), Err(RequestRefused::BeforeStart));
    assert_eq!(later.take(&signature("hk:1", "n-3", 40, 160), at(20)), Ok(()));
    // Another key's clock goes right: what it signed when nobody was there to take it is let in.
    assert_eq!(later.take(&signature("mo:1", "n-1", 9, 129), at(10)), Ok(()));
    assert_eq!(table(30).take(&signature("mo:1", "n-1", 9, 129), at(30)), Err(RequestRefused::BeforeStart));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_file_that_cannot_be_read_may_have_held_anything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen.json");
    std::fs::write(&file, "{\"before\":").unwrap();
    let table = ReplayTable::kept_in(file.clone(), at(10));
    assert_eq!(table.take(&signature("hk:1", "n-1", 40, 160), at(12)), Err(RequestRefused::BeforeStart));
    assert_eq!(table.take(&signature("hk:1", "n-1", 41, 161), at(12)), Ok(()));
    // Nor is it known by the next process what another key had signed before.
    let next = ReplayTable::kept_in(file, at(13));
    assert_eq!(next.take(&signature("mo:1", "n-1", 40, 160), at(13)), Err(RequestRefused::BeforeStart));
    assert_eq!(next.take(&signature("mo:1", "n-1", 41, 161), at(13)), Ok(()));
}

#[test]
fn what_cannot_be_written_down_is_not_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let table = ReplayTable::kept_in(folder.path().join("absent").join("seen.json"), at(0));
    for _ in 0..2 {
        assert_eq!(table.take(&signature("hk:1", "n-1", 1, 121), at(1)), Err(RequestRefused::Unkept));
        assert_eq!(remembered(&table), (0, 0));
    }
}

#[test]
fn what_was_not_let_in_leaves_all_others_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let table = ReplayTable::kept_in(kept.join("seen.json"), at(0));
    for (nonce, expires) in [("n-1", 121), ("n-2", 121), ("n-3", 122)] {
        table.take(&signature("hk:1", nonce, 1, expires), at(1)).unwrap();
    }
    std::fs::remove_dir_all(&kept).unwrap();
    // In the second in which two others expire, and in one of its own.
    for (nonce, expires) in [("n-4", 121), ("n-5", 130)] {
        let one = signature("hk:1", nonce, 2, expires);
        assert_eq!(table.take(&one, at(2)), Err(RequestRefused::Unkept));
        assert_eq!(table.look(&one, at(2)), Ok(()));
        assert_eq!(remembered(&table), (3, 3));
    }
    for (nonce, expires) in [("n-1", 121), ("n-2", 121), ("n-3", 122)] {
        assert_eq!(table.take(&signature("hk:1", nonce, 1, expires), at(2)), Err(RequestRefused::Replayed));
    }
    let seen = table.seen.lock().unwrap();
    let seconds: Vec<_> = seen.by_key.values().flat_map(|spent| spent.by_expiry.keys().copied()).collect();
    assert_eq!(seconds, [at(121), at(122)]);
}

#[test]
fn who_has_used_as_many_as_may_be_is_refused_alone_and_until_one_expires() {
    let table = ReplayTable::new(at(0)).holding(3);
    for (number, expires) in [(1, 100), (2, 110), (3, 110)] {
        table.take(&signature("hk:1", &format!("n-{number}"), 0, expires), at(0)).unwrap();
    }
    let more = signature("hk:1", "n-4", 1, 121);
    for moment in [1, 100] {
        assert_eq!(table.look(&more, at(moment)), Err(RequestRefused::Full));
        assert_eq!(table.take(&more, at(moment)), Err(RequestRefused::Full));
    }
    assert_eq!(table.take(&signature("hk:1", "n-1", 0, 100), at(100)), Err(RequestRefused::Replayed));
    assert_eq!(table.take(&signature("mo:1", "n-4", 1, 121), at(100)), Ok(()), "another key has a count of its own");
    assert_eq!(table.room_after(&more.key, at(1)), Duration::from_secs(100));
    assert_eq!(table.room_after(&more.key, at(100)), Duration::from_secs(1));
    assert_eq!(table.take(&more, at(101)), Ok(()));
    assert_eq!(remembered(&table), (4, 4));
    assert_eq!(table.room_after(&KeyId::parse("gd:1").unwrap(), at(101)), Duration::ZERO);
    assert_eq!(ReplayTable::new(at(0)).per_key_max, REPLAY_PER_KEY_MAX);
}

#[test]
fn a_look_uses_nothing_up_and_tells_what_taking_would() {
    let table = ReplayTable::new(at(5));
    let one = signature("hk:1", "n-1", 10, 130);
    for _ in 0..2 {
        assert_eq!(table.look(&one, at(10)), Ok(()));
    }
    assert_eq!(remembered(&table), (0, 0));
    assert_eq!(table.take(&one, at(10)), Ok(()));
    assert_eq!(table.look(&one, at(10)), Err(RequestRefused::Replayed));
    assert_eq!(table.look(&signature("hk:1", "n-2", 4, 124), at(10)), Err(RequestRefused::BeforeStart));
    assert_eq!(table.look(&one, at(131)), Err(RequestRefused::Expired));
}

#[test]
fn a_key_of_which_everything_expired_leaves_nothing() {
    let table = ReplayTable::new(at(0));
    table.take(&signature("hk:1", "n-1", 10, 130), at(10)).unwrap();
    table.take(&signature("mo:1", "n-1", 20, 140), at(20)).unwrap();
    assert_eq!(table.look(&signature("mo:1", "n-2", 131, 200), at(131)), Ok(()));
    let seen = table.seen.lock().unwrap();
    assert_eq!(seen.by_key.keys().map(KeyId::as_str).collect::<Vec<_>>(), ["mo:1"]);
}

#[test]
fn of_many_at_once_one_is_first() {
    let table = ReplayTable::new(at(0));
    let one = signature("hk:1", "n-1", 10, 130);
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| table.take(&one, at(10)).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
}
