//! `runrate serve` as a child, and requests to it over a plain socket.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A page that is served.
pub struct Page {
    pub child: Child,
    /// As it was printed, with its key.
    pub url: String,
    pub port: u16,
    /// What a request must show.
    pub key: String,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    /// Starts the program in a folder and waits for its address.
    pub fn start(program: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).arg("serve").args(arguments);
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().to_owned();
        let (address, key) = url.split_once("?key=").unwrap_or_default();
        let port = address
            .strip_prefix("http://127.0.0.1:")
            .and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        let Some(port) = port else {
            let mut said = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut said);
            panic!("no address but {line:?}; {said}");
        };
        let key = key.to_owned();
        Self { child, url, port, key }
    }

    /// The address without a key.
    pub fn address(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.port, &self.key)
    }

    /// A connection of somebody who does not have the key.
    pub fn stranger(&self) -> Connection {
        Connection::open(self.port, "")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().get(path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.connect().post(path, body)
    }

    /// Sends a request as it is written.
    pub fn raw(&self, request: &str) -> Answer {
        let mut connection = self.connect();
        connection.send(request.as_bytes());
        connection.answer()
    }

    /// Waits for the end of the program; its exit code.
    #[allow(clippy::disallowed_methods, reason = "how long a program takes to end")]
    pub fn ended(&mut self, most: Duration) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < most {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running after {most:?}");
    }
}

/// The key that stands in a page.
pub fn key_of(html: &str) -> String {
    let (_, rest) = html.split_once("<meta name=\"runrate-key\" content=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// A connection that is kept.
pub struct Connection {
    port: u16,
    key: String,
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(port: u16, key: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        Self { port, key: key.to_owned(), reader: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A server that refuses may hang up before it has heard all.
        let _ = self.reader.get_mut().write_all(bytes);
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let (port, key) = (self.port, &self.key);
        let key = if key.is_empty() { String::new() } else { format!("x-runrate: {key}\r\n") };
        let head = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{key}\r\n");
        self.send(head.as_bytes());
        self.answer()
    }

    pub fn ask(&mut self, path: &str, body: &Value) {
        let (port, key, body) = (self.port, &self.key, body.to_string());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-runrate: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(format!("{head}{body}").as_bytes());
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask(path, body);
        self.answer()
    }

    /// The bytes that come until the server closes the connection.
    pub fn rest(&mut self) -> usize {
        let mut rest = Vec::new();
        let _ = self.reader.read_to_end(&mut rest);
        rest.len()
    }

    /// Whether the server closes the connection within a time.
    pub fn is_closed_within(&mut self, most: Duration) -> bool {
        self.reader.get_ref().set_read_timeout(Some(most)).unwrap();
        let mut rest = Vec::new();
        let open = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        !self.reader.read_to_end(&mut rest).is_err_and(|error| open.contains(&error.kind()))
    }

    /// The next answer; only such as say their length.
    pub fn answer(&mut self) -> Answer {
        let (answer, length) = self.head();
        self.body(answer, length)
    }

    /// The next answer's head, which is all of an answer to HEAD, and the length that it names.
    pub fn head(&mut self) -> (Answer, usize) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.reader.read_line(&mut head).unwrap();
            assert!(read > 0, "the server hung up after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        (answer, length)
    }

    fn body(&mut self, mut answer: Answer, length: usize) -> Answer {
        answer.body.resize(length, 0);
        self.reader.read_exact(&mut answer.body).unwrap();
        answer
    }
}
