//! What is kept of a guest's words, and in which form.

use super::*;

fn lines(log: &CallLog) -> Vec<(&'static str, String)> {
    log.take().into_iter().map(|line| (line.stream, line.text)).collect()
}

#[test]
fn output_becomes_lines_however_it_was_portioned() {
    let log = CallLog::new(1000, Arc::default());
    log.output(Output::Stdout, b"one\ntw");
    log.output(Output::Stderr, b"oops\r\n");
    log.output(Output::Stdout, b"o\n\nrest");
    let expected = [("stdout", "one"), ("stderr", "oops"), ("stdout", "two"), ("stdout", ""), ("stdout", "rest")];
    assert_eq!(lines(&log), expected.map(|(stream, text)| (stream, text.to_owned())));
}

#[test]
fn no_control_character_reaches_a_terminal() {
    let mut log = CallLog::new(1000, Arc::default());
    log.write(Level::Warn, "a\u{1b}[31m\nb\u{202e}\t\u{0}".to_owned()).unwrap();
    log.output(Output::Stdout, b"\xff\xfe ok\n");
    assert_eq!(
        lines(&log),
        [("warn", r"a\u{1b}[31m\nb\u{202e}\t\u{0}".to_owned()), ("stdout", "\u{fffd}\u{fffd} ok".to_owned())]
    );
}

#[test]
fn a_flood_keeps_its_beginning_and_a_count() {
    let log = CallLog::new(100, Arc::default());
    for _ in 0..1000 {
        log.output(Output::Stdout, b"0123456789012345678901234567890123456789\n");
    }
    let kept = lines(&log);
    assert_eq!(kept.len(), 3);
    assert_eq!(
        kept[2],
        (
            "host",
            format!("{} more bytes were written; 100 are kept of a call, and 1048576 a minute of a provider", 998 * 41)
        )
    );
}

#[test]
fn empty_lines_are_bounded_too() {
    let log = CallLog::new(1024 * 1024, Arc::default());
    log.output(Output::Stderr, &vec![b'\n'; 100_000]);
    assert_eq!(log.take().len(), LINES_MAX + 1);
}

#[test]
fn a_long_line_is_kept_in_pieces_of_whole_characters() {
    let log = CallLog::new(1024 * 1024, Arc::default());
    let long = "ä".repeat(LINE_BYTES_MAX);
    for portion in long.as_bytes().chunks(1000) {
        log.output(Output::Stdout, portion);
    }
    let mut kept = lines(&log);
    assert!(kept.iter().all(|(_, text)| text.len() <= LINE_BYTES_MAX && !text.contains(char::REPLACEMENT_CHARACTER)));
    let whole: String = kept.drain(..).map(|(_, text)| text).collect();
    assert_eq!(whole, long);
}

#[test]
fn bytes_that_are_no_text_are_cut_anywhere() {
    let log = CallLog::new(1024 * 1024, Arc::default());
    log.output(Output::Stdout, &vec![0x80; 3 * LINE_BYTES_MAX]);
    log.output(Output::Stdout, &vec![0xff; 3 * LINE_BYTES_MAX]);
    assert!(log.take().len() >= 6);
}

#[test]
fn last_words_are_the_panic_and_not_the_hint() {
    let log = CallLog::new(1000, Arc::default());
    log.output(
        Output::Stderr,
        b"\nthread '<unnamed>' panicked at src/lib.rs:7:5:\nno such plan\nnote: run with `RUST_BACKTRACE=1` ...\n",
    );
    log.output(Output::Stdout, b"not this\n");
    let words = last_words(&log.take()).unwrap();
    assert_eq!(words, "thread '<unnamed>' panicked at src/lib.rs:7:5:\nno such plan");
    assert_eq!(last_words(&[]), None);
}
