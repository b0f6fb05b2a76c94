//! A client of Redis, as an app has one: a URL, and commands in words.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Url;

/// A connection, logged in.
#[derive(Debug)]
pub(crate) struct Redis(BufReader<TcpStream>);

impl Redis {
    /// Logs in as the URL says.
    pub(crate) fn connect(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).unwrap();
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut redis = Self(BufReader::new(stream));
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        let words = if user.is_empty() { vec!["AUTH", password] } else { vec!["AUTH", user, password] };
        redis.say(&words).map(|_| redis)
    }

    /// Says a command so often, and takes no answer. The server may have closed the connection meanwhile.
    pub(crate) fn ask_without_listening(&mut self, words: &[&str], times: usize) {
        let _closed = self.0.get_mut().write_all(command(words).repeat(times).as_bytes());
    }

    /// The answer to a command: a text, a number as text, or `nil`; an error as such.
    pub(crate) fn say(&mut self, words: &[&str]) -> Result<String, String> {
        self.0.get_mut().write_all(command(words).as_bytes()).map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.0.read_line(&mut line).map_err(|error| error.to_string())?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(rest.to_owned()),
            Some(("-", rest)) => Err(rest.to_owned()),
            Some(("$", "-1")) => Ok("nil".to_owned()),
            Some(("$", length)) => {
                let mut bytes = vec![0; length.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).map_err(|error| error.to_string())?;
                bytes.truncate(bytes.len() - 2);
                Ok(String::from_utf8(bytes).unwrap())
            }
            _ => Err(format!("no answer that is understood: {line:?}")),
        }
    }
}

/// A command as it is sent.
fn command(words: &[&str]) -> String {
    let said: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{said}", words.len())
}
