//! A server on a real socket that speaks as AWS's services do, and notes what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

/// What the server does with a request.
pub enum Act {
    /// Answers with a status and a body.
    Answer(u16, String),
    /// Sends half of the body and hangs up.
    Truncate(String),
    /// Waits before it answers.
    Slow(Duration, String),
}

/// A request: the operation and its body.
pub type Asked = (String, Value);

pub struct Server {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(act: impl Fn(&str, &Value, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, heads) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (kept, kept_heads, act) = (Arc::clone(&asked), Arc::clone(&heads), Arc::new(act));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, heads) = (Arc::clone(&kept), Arc::clone(&kept_heads));
                let act = Arc::clone(&act);
                thread::spawn(move || serve(stream, &*act, &kept, &heads));
            }
        });
        Self { url, asked, heads }
    }

    pub fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| of == operation).map(|(_, body)| body.clone()).collect()
    }
}

fn serve(
    stream: TcpStream,
    act: &(impl Fn(&str, &Value, usize) -> Act + ?Sized),
    asked: &Mutex<Vec<Asked>>,
    heads: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let before = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 || head.len() == before {
                return;
            }
        }
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let form = String::from_utf8_lossy(&body).into_owned();
        let action = form.strip_prefix("Action=").and_then(|rest| rest.split('&').next());
        let path = head.split(' ').nth(1).unwrap_or_default();
        // The services' protocols: JSON by target, forms by action, files by path.
        let (operation, body) = match (field("x-amz-target"), action) {
            (Some(target), _) => {
                let name = target.rsplit('.').next().unwrap_or_default().to_owned();
                (name, serde_json::from_slice(&body).unwrap())
            }
            (None, Some(action)) => (action.to_owned(), Value::String(form.clone())),
            (None, None) => (path.to_owned(), Value::Null),
        };
        let turn = {
            let mut asked = asked.lock().unwrap();
            asked.push((operation.clone(), body.clone()));
            asked.iter().filter(|(of, _)| *of == operation).count()
        };
        heads.lock().unwrap().push(head.clone());
        let (status, text, cut) = match act(&operation, &body, turn) {
            Act::Answer(status, text) => (status, text, false),
            Act::Truncate(text) => (200, text, true),
            Act::Slow(wait, text) => {
                thread::sleep(wait);
                (200, text, false)
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let sent = if cut { &text[..text.len() / 2] } else { &text };
        if stream.write_all(sent.as_bytes()).is_err() || cut {
            return;
        }
    }
}
