//! Certificates for servers of the tests.

use std::process::Command;

use super::Folder;

/// A certificate authority, and a certificate for the loopback address that it signed.
pub fn certificates() -> Folder {
    let folder = Folder::new();
    let script = r#"
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem
"#;
    let done = Command::new("sh").args(["-c", script]).current_dir(folder.path()).output().expect("a shell");
    assert!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    folder
}
