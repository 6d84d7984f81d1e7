//! Addresses that are refused here, before anybody could be asked.

use super::{Door, POINTER, clip, fault, resize};

async fn refused(addresses: &[&str], detail: &str) {
    let door = Door::open().await;
    let before = door.calls();
    for address in addresses {
        assert_eq!(door.refused(422, resize(*address)).await, fault(POINTER, detail), "{address}");
        let pictures = ["https://shop.example.com/a.png".to_owned(), (*address).to_owned()];
        assert_eq!(door.refused(422, clip(&pictures)).await, fault("/input_data/input_images/1", detail), "{address}");
    }
    assert_eq!(door.calls(), before);
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn only_https_is_asked() {
    let addresses = [
        "http://shop.example.com/a.png",
        "HTTP://shop.example.com/a.png",
        "ftp://shop.example.com/a.png",
        "file:///etc/passwd",
        "gopher://shop.example.com/",
        "s3://bucket/a.png",
    ];
    refused(&addresses, "must be an address that starts with https://").await;
}

#[tokio::test]
async fn no_spelling_of_a_private_address_is_taken() {
    let addresses = [
        "https://127.0.0.1/a.png",
        "https://127.1/a.png",
        "https://2130706433/a.png",
        "https://0x7f.0.0.1/a.png",
        "https://0x7f000001/a.png",
        "https://0177.0.0.1/a.png",
        "https://%31%32%37.0.0.1/a.png",
        "https://１２７.０.０.１/a.png",
        "https://127。0。0。1/a.png",
        "https://①②⑦.0.0.1/a.png",
        "https://0/a.png",
        "https://10.0.0.1/a.png",
        "https://172.31.255.255/a.png",
        "https://192.168.0.1./a.png",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/a.png",
        "https://[::1]/a.png",
        "https://[::]/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://[::ffff:a9fe:a9fe]/latest/meta-data/",
        "https://[64:ff9b::a9fe:a9fe]/a.png",
        "https://[2002:7f00:1::]/a.png",
        "https://[fe80::1]/a.png",
        "https://[fd00:ec2::254]/a.png",
        "https://localhost/a.png",
        "https://LOCALHOST./a.png",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://postgres/a.png",
        "https://db.svc.cluster.local/a.png",
    ];
    refused(&addresses, "must be an address on the public internet").await;
}

#[tokio::test]
async fn other_ports_and_names_of_users_are_refused() {
    let ports =
        ["https://shop.example.com:80/a.png", "https://shop.example.com:8443/a.png", "https://shop.example.com:0/"];
    refused(&ports, "must be an address on port 443").await;
    let users = ["https://me:secret@shop.example.com/a.png", "https://shop.example.com@127.0.0.1:443/a.png"];
    refused(&users[..1], "must be an address without a user name or password").await;
    // Which of its two faults is told does not matter: it leads to this machine.
    let door = Door::open().await;
    assert_eq!(door.refused(422, resize(users[1])).await.len(), 1);
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn long_addresses_and_control_characters_are_refused() {
    let long = format!("https://shop.example.com/{}.png", "a".repeat(2_048));
    refused(&[&long], "must be an address of at most 2048 bytes").await;
    let odd =
        ["https://shop.example.com/a b.png", "https://shop.exa\tmple.com/a.png", "https://shop.example.com/\u{0}"];
    refused(&odd, "must be an address without spaces and control characters").await;
}
