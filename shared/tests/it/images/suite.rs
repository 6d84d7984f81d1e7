//! What every image store must do, whichever it is. Each test runs against all of them.

use std::time::Duration;

use bytes::Bytes;
use shared::images::{PAGE_MAX, PATHS_MAX, StoreError};
use url::Url;

use super::subject::{self, Subject};

const HOUR: Duration = Duration::from_secs(3600);
const PATH: &str = "018f0000-0000-7000-8000-000000000001/018f0000-0000-7000-8000-000000000002/1.webp";

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn link(subject: &Subject, path: &str, ttl: Duration) -> Url {
    let links = subject.store.sign(&[path.to_owned()], ttl).await.expect("signs");
    links.into_iter().next().flatten().expect("the object exists")
}

#[tokio::test]
async fn what_was_put_can_be_read_and_is_replaced_by_the_next() {
    for subject in subject::all() {
        subject.store.put(PATH, bytes("one"), "image/webp").await.expect("stores");
        assert_eq!(subject.store.get(PATH).await.expect("reads"), "one", "{subject}");
        subject.store.put(PATH, bytes("two"), "image/webp").await.expect("stores again");
        assert_eq!(subject.store.get(PATH).await.expect("reads"), "two", "{subject}");
    }
}

#[tokio::test]
async fn a_missing_object_is_not_found() {
    for subject in subject::all() {
        subject.store.put(PATH, bytes("one"), "image/webp").await.expect("stores");
        for path in ["nobody/nothing.png", &PATH[..36], &format!("{PATH}/below.png")] {
            let missing = subject.store.get(path).await;
            assert!(matches!(missing, Err(StoreError::NotFound)), "{subject}: {path} {missing:?}");
        }
    }
}

#[tokio::test]
async fn deleting_removes_what_is_there_and_forgives_what_is_not() {
    for subject in subject::all() {
        for name in ["u/g/1.png", "u/g/2.png", "u/g/3.png"] {
            subject.store.put(name, bytes("one"), "image/png").await.expect("stores");
        }
        let paths = ["u/g/1.png", "u/g/nothing.png", "u/g/3.png"].map(str::to_owned);
        for _ in 0..2 {
            subject.store.delete(&paths).await.expect("deletes");
        }
        assert!(matches!(subject.store.get("u/g/1.png").await, Err(StoreError::NotFound)), "{subject}");
        assert_eq!(subject.store.get("u/g/2.png").await.expect("reads"), "one", "{subject}");
        subject.store.delete(&[]).await.expect("deletes nothing");
    }
}

#[tokio::test]
async fn a_list_is_complete_in_order_and_stays_below_its_prefix() {
    for subject in subject::all() {
        let many = PAGE_MAX + 3;
        for n in 0..many {
            subject.store.put(&format!("u/g/{n:04}.png"), bytes("one"), "image/png").await.expect("stores");
        }
        for other in ["u.png", "ug/1.png", "v/g/1.png"] {
            subject.store.put(other, bytes("one"), "image/png").await.expect("stores");
        }
        let first = subject.store.list("u/", None).await.expect("lists");
        assert_eq!(first.objects.len(), PAGE_MAX, "{subject}");
        assert!(first.objects.iter().all(|object| object.size_bytes == 3), "{subject}");
        // What is removed, or comes before, does not shift what is next.
        subject.store.delete(&["u/g/0000.png".to_owned(), "u/g/1001.png".to_owned()]).await.expect("deletes");
        subject.store.put("u/a.png", bytes("one"), "image/png").await.expect("stores");
        let next = first.next.expect("there are more");
        let rest = subject.store.list("u/", Some(&next)).await.expect("lists");
        let paths: Vec<_> = rest.objects.iter().map(|object| object.path.as_str()).collect();
        assert_eq!((paths, rest.next), (vec!["u/g/1000.png", "u/g/1002.png"], None), "{subject}");
        let whole = subject.store.list("", None).await.expect("lists");
        assert!(whole.objects.iter().any(|object| object.path == "u.png") || whole.next.is_some(), "{subject}");
        let none = subject.store.list("nobody/", None).await.expect("lists");
        assert!(none.objects.is_empty() && none.next.is_none(), "{subject}");
    }
}

#[tokio::test]
async fn signing_answers_in_order_and_says_what_is_missing() {
    for subject in subject::all() {
        subject.store.put("u/g/1.png", bytes("one"), "image/png").await.expect("stores");
        subject.store.put("u/g/2.png", bytes("two"), "image/png").await.expect("stores");
        let paths = ["u/g/2.png", "u/g/nothing.png", "u/g/1.png", "u/g/2.png"].map(str::to_owned);
        let links = subject.store.sign(&paths, HOUR).await.expect("signs");
        let mut contents = Vec::new();
        for link in &links {
            contents.push(match link {
                Some(link) => subject.open(link).await,
                None => None,
            });
        }
        let expected = [Some("two"), None, Some("one"), Some("two")];
        assert_eq!(contents, expected.map(|text| text.map(bytes)), "{subject}");
        assert!(subject.store.sign(&[], HOUR).await.expect("signs nothing").is_empty());
    }
}

#[tokio::test]
async fn a_link_works_for_its_time_and_not_longer() {
    for subject in subject::all() {
        subject.store.put(PATH, bytes("one"), "image/webp").await.expect("stores");
        let link = link(&subject, PATH, HOUR).await;
        subject.pass(HOUR - Duration::from_secs(60));
        assert_eq!(subject.open(&link).await, Some(bytes("one")), "{subject}");
        subject.pass(Duration::from_secs(120));
        assert_eq!(subject.open(&link).await, None, "{subject}");
    }
}

#[tokio::test]
async fn a_link_opens_no_other_path_and_no_changed_signature() {
    for subject in subject::all() {
        subject.store.put("u/g/1.png", bytes("one"), "image/png").await.expect("stores");
        subject.store.put("u/g/2.png", bytes("two"), "image/png").await.expect("stores");
        let link = link(&subject, "u/g/1.png", HOUR).await;
        let elsewhere = link.as_str().replace("/1.png", "/2.png").parse().expect("a URL");
        assert_eq!(subject.open(&elsewhere).await, None, "{subject}");
        let mut tampered = link.clone();
        let changed = link.query().expect("a signature").chars().rev().collect::<String>();
        tampered.set_query(Some(&changed));
        assert_eq!(subject.open(&tampered).await, None, "{subject}");
        tampered.set_query(None);
        assert_eq!(subject.open(&tampered).await, None, "{subject}");
    }
}

#[tokio::test]
async fn a_link_names_a_path_and_shows_what_is_there_now() {
    for subject in subject::all() {
        subject.store.put(PATH, bytes("one"), "image/webp").await.expect("stores");
        let link = link(&subject, PATH, HOUR).await;
        subject.store.put(PATH, bytes("two"), "image/webp").await.expect("stores");
        assert_eq!(subject.open(&link).await, Some(bytes("two")), "{subject}");
        subject.store.delete(&[PATH.to_owned()]).await.expect("deletes");
        assert_eq!(subject.open(&link).await, None, "{subject}");
    }
}

#[tokio::test]
async fn odd_but_allowed_names_make_the_whole_way() {
    for subject in subject::all() {
        for path in ["u/uploads/my photo (1).png", "u/uploads/a?b=c&d.png", "u/uploads/it's $5 + tax, ok; @home!.png"] {
            subject.store.put(path, bytes("one"), "image/png").await.expect("stores");
            assert_eq!(subject.store.get(path).await.expect("reads"), "one", "{subject}: {path}");
            let link = link(&subject, path, HOUR).await;
            assert_eq!(subject.open(&link).await, Some(bytes("one")), "{subject}: {path}");
            subject.store.delete(&[path.to_owned()]).await.expect("deletes");
            assert!(matches!(subject.store.get(path).await, Err(StoreError::NotFound)), "{subject}: {path}");
        }
    }
}

#[tokio::test]
async fn what_is_no_path_or_no_object_is_refused_before_any_call() {
    for subject in subject::all() {
        for path in ["", "/etc/passwd", "../secret", "a/../../secret", "a//b", "a\\b", "é.png", "a/./b"] {
            let put = subject.store.put(path, bytes("one"), "image/png").await;
            let get = subject.store.get(path).await.map(|_| ());
            let delete = subject.store.delete(&[path.to_owned()]).await;
            let sign = subject.store.sign(&[path.to_owned()], HOUR).await.map(|_| ());
            for result in [put, get, delete, sign] {
                assert!(matches!(result, Err(StoreError::Rejected { .. })), "{subject}: {path} {result:?}");
            }
        }
        let empty = subject.store.put(PATH, Bytes::new(), "image/png").await;
        assert!(matches!(empty, Err(StoreError::Rejected { .. })), "{subject}");
        let many = vec![PATH.to_owned(); PATHS_MAX + 1];
        assert!(matches!(subject.store.sign(&many, HOUR).await, Err(StoreError::Rejected { .. })), "{subject}");
    }
}

#[tokio::test]
async fn more_paths_than_one_call_takes_are_signed_and_deleted_all_the_same() {
    for subject in subject::all() {
        let mut paths: Vec<String> = (0..1_100).map(|n| format!("u/g/{n}.png")).collect();
        for path in [0, 999, 1_000, 1_099] {
            subject.store.put(&paths[path], bytes("one"), "image/png").await.expect("stores");
        }
        let links = subject.store.sign(&paths, HOUR).await.expect("signs");
        let present: Vec<usize> = links.iter().enumerate().filter_map(|(n, link)| link.as_ref().map(|_| n)).collect();
        assert_eq!((links.len(), present), (1_100, vec![0, 999, 1_000, 1_099]), "{subject}");
        paths.reverse();
        subject.store.delete(&paths).await.expect("deletes");
        let links = subject.store.sign(&paths, HOUR).await.expect("signs");
        assert!(links.iter().all(Option::is_none), "{subject}");
    }
}
