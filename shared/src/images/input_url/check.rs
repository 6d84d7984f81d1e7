//! What can be said of a picture's address before anything is asked. Pure.

use core::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;

/// The longest address that is taken, in bytes; signed links of stores have a few hundred.
pub const INPUT_URL_BYTES_MAX: usize = 2_048;

/// Last labels of names that only have a meaning within one machine, house or company.
const LOCAL_NAMES: [&str; 10] =
    ["localhost", "local", "internal", "localdomain", "lan", "home", "corp", "intranet", "private", "home.arpa"];

/// The address under which a picture may be asked for, without its fragment: `https` on its usual port, a public host,
/// no credentials.
///
/// A name may still resolve to anything: that is judged when a connection is made.
///
/// # Errors
/// What is wrong, in words for the customer; nothing of the address is in them.
pub fn check_input_url(text: &str) -> Result<Url, &'static str> {
    const TOO_LONG: &str = "must be an address of at most 2048 bytes";
    const NOT_PUBLIC: &str = "must be an address on the public internet";

    if text.len() > INPUT_URL_BYTES_MAX {
        return Err(TOO_LONG);
    }
    // The parser would silently leave some of them out.
    if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err("must be an address without spaces and control characters");
    }
    let mut url = Url::parse(text).map_err(|_| "must be a valid https address")?;
    if url.scheme() != "https" {
        return Err("must be an address that starts with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be an address without a user name or password");
    }
    // The usual port is none to the parser, even where it is written out.
    if url.port().is_some() {
        return Err("must be an address on port 443");
    }
    // The parser has brought every spelling of a number (`0x7f.1`, `2130706433`, `127.1`) into one form.
    let public = match url.host() {
        Some(Host::Domain(name)) => !is_local(name),
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        None => false,
    };
    if !public {
        return Err(NOT_PUBLIC);
    }
    url.set_fragment(None);
    // What is not ASCII has become longer.
    if url.as_str().len() > INPUT_URL_BYTES_MAX {
        return Err(TOO_LONG);
    }
    Ok(url)
}

/// Whether `name`, in lower case as the parser leaves it, is local by its form: without a dot, or below a local name.
fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.contains('.')
        || LOCAL_NAMES
            .iter()
            .any(|local| name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_on_the_public_internet_are_taken_in_their_normal_form() {
        for (text, normal) in [
            ("https://pictures.example.com/a.png", "https://pictures.example.com/a.png"),
            ("HTTPS://Pictures.Example.COM:443/a.png?sig=A%2Fb#top", "https://pictures.example.com/a.png?sig=A%2Fb"),
            ("https://pictures.example.com", "https://pictures.example.com/"),
            ("https://bücher.example/ä.png", "https://xn--bcher-kva.example/%C3%A4.png"),
            ("https://8.8.8.8/a.png", "https://8.8.8.8/a.png"),
            ("https://[2606:4700::1111]/a.png", "https://[2606:4700::1111]/a.png"),
            ("https://mylocal.example.com/", "https://mylocal.example.com/"),
            ("https://notlocalhost.com/", "https://notlocalhost.com/"),
            ("https://example.com./a.png", "https://example.com./a.png"),
        ] {
            assert_eq!(check_input_url(text).as_ref().map(Url::as_str), Ok(normal), "{text}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_that_is_not_public_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0x7f000001",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.０.０.１",
            "127。0。0。1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[2002:7f00:1::]",
        ] {
            let refused = check_input_url(&format!("https://{host}/a.png"));
            assert_eq!(refused, Err("must be an address on the public internet"), "{host}");
        }
    }

    #[test]
    fn local_names_are_refused() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "intranet",
            "db",
            "nas.lan",
            "fritz.box.home.arpa",
            "postgres.default.svc.cluster.local",
            "localhost.localdomain",
        ] {
            let refused = check_input_url(&format!("https://{host}/a.png"));
            assert_eq!(refused, Err("must be an address on the public internet"), "{host}");
        }
    }

    #[test]
    fn other_schemes_ports_and_credentials_are_refused() {
        for text in
            ["http://example.com/a.png", "ftp://example.com/", "file:///etc/passwd", "data:image/png;base64,aGk="]
        {
            assert_eq!(check_input_url(text), Err("must be an address that starts with https://"), "{text}");
        }
        for port in ["80", "444", "8443", "0", "22"] {
            let text = format!("https://example.com:{port}/a.png");
            assert_eq!(check_input_url(&text), Err("must be an address on port 443"), "{text}");
        }
        for user in ["user", "user:secret", ":secret", "example.org:443"] {
            let text = format!("https://{user}@example.com/a.png");
            assert_eq!(check_input_url(&text), Err("must be an address without a user name or password"), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in ["", "a.png", "https://", "https:///", "//example.com/a.png", "https://a b.com/", "https://[::1/"] {
            assert!(check_input_url(text).is_err(), "{text}");
        }
        for text in [
            "https://exa\tmple.com/",
            "https://example.com/\n",
            "\u{1}https://example.com/",
            "https://example.com/\u{85}",
        ] {
            let refused = Err("must be an address without spaces and control characters");
            assert_eq!(check_input_url(text), refused, "{text:?}");
        }
    }

    #[test]
    fn long_addresses_are_refused_before_and_after_they_are_brought_into_form() {
        let of = |length: usize, filling: &str| {
            let stem = "https://example.com/";
            format!("{stem}{}", filling.repeat((length - stem.len()) / filling.len()))
        };
        assert!(check_input_url(&of(INPUT_URL_BYTES_MAX, "a")).is_ok());
        for text in [of(INPUT_URL_BYTES_MAX + 1, "a"), of(INPUT_URL_BYTES_MAX, "ä")] {
            let refused = check_input_url(&text);
            assert_eq!(refused, Err("must be an address of at most 2048 bytes"));
        }
        assert_eq!(INPUT_URL_BYTES_MAX, 2048, "the number in the text");
    }
}
