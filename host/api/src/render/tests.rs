//! Whatever a value is, its reader gets it back: tried with values that readers like to misread.

use std::process::Command;

use larder_domain::SecretString;

use super::*;

/// Values that some reader could take for something else.
const ODD: &[&str] = &[
    "",
    "plain-1.2:3,4/5@6%7+8=9_",
    "two words",
    " leading and trailing ",
    "~/home",
    "#no comment",
    "$HOME `id` $(id) ${x}",
    "it's",
    "''",
    "say \"hi\"",
    "back\\slash\\",
    "\\n is no line break",
    "a\nb\n",
    "a\r\nb",
    "tab\there",
    "semi;colon & more | less > gone < in",
    "* ? [a] {b,c} !",
    "ünïcode ✓",
    "{\"secret\":{\"credentials\":{\"password\":\"p'w\\\"d\"}}}",
];

fn variables(values: &[&str]) -> Vec<EnvironmentVariable> {
    let variable = |(number, value): (usize, &&str)| EnvironmentVariable {
        name: format!("V{number}"),
        value: SecretString::new(*value),
        secret: true,
    };
    values.iter().enumerate().map(variable).collect()
}

#[test]
fn plain_values_are_written_as_they_are() {
    let plain = variables(&["", "redis://127.0.0.1:6379/0"]);
    let expected = "V0=\nV1=redis://127.0.0.1:6379/0\n";
    assert_eq!(posix_shell(&plain), expected);
    assert_eq!(systemd(&plain), expected);
    assert_eq!(docker(&plain).unwrap(), expected);
}

#[test]
fn a_shell_reads_back_the_very_same_values() {
    let printed: String = (0..ODD.len()).map(|n| format!("printf '%s\\0' \"$V{n}\"\n")).collect();
    let script = format!("{}{printed}", posix_shell(&variables(ODD)));
    let output = Command::new("sh").arg("-euc").arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.split_terminator('\0').collect::<Vec<_>>(), ODD);
}

/// Reads one assignment as systemd's `env-file.c` does, for the two ways of writing that are used here.
fn systemd_reads(line: &str) -> String {
    let (_, value) = line.split_once('=').unwrap();
    let Some(quoted) = value.strip_prefix('"') else {
        return value.strip_suffix('\n').unwrap().to_owned();
    };
    let (mut read, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next().unwrap() {
            '"' => break,
            '\\' => match chars.next().unwrap() {
                c @ ('"' | '\\' | '`' | '$') => read.push(c),
                '\n' => {}
                other => read.extend(['\\', other]),
            },
            c => read.push(c),
        }
    }
    assert_eq!(chars.as_str(), "\n", "something follows the value");
    read
}

#[test]
fn systemd_reads_back_the_very_same_values() {
    for value in ODD {
        assert_eq!(systemd_reads(&systemd(&variables(&[value]))), *value);
    }
    assert_eq!(systemd(&variables(&["a \"b\" $c"])), "V0=\"a \\\"b\\\" \\$c\"\n");
}

#[test]
fn docker_gets_values_as_they_are_or_not_at_all() {
    let whole_lines: Vec<&str> = ODD.iter().copied().filter(|value| !value.contains(['\n', '\r'])).collect();
    let text = docker(&variables(&whole_lines)).unwrap();
    let read: Vec<&str> = text.lines().map(|line| line.split_once('=').unwrap().1).collect();
    assert_eq!(read, whole_lines);
    for (value, reason) in [("a\nb", "line break"), ("a\r", "line break"), (&"x".repeat(65_533), "64 KiB")] {
        let problem = format!("{:?}", docker(&variables(&["fine", value])).unwrap_err());
        assert!(problem.contains("V1") && problem.contains(reason) && !problem.contains(value), "{problem}");
    }
    assert!(docker(&variables(&[&"x".repeat(65_532)])).is_ok());
}
