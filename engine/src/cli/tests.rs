use clap::{CommandFactory, FromArgMatches};

use super::*;

fn parse<A: Args + FromArgMatches>(arguments: &[&str]) -> Result<A, clap::Error> {
    let command = A::augment_args(clap::Command::new("test"));
    let matches = command.try_get_matches_from(std::iter::once(&"test").chain(arguments))?;
    A::from_arg_matches(&matches)
}

#[test]
fn the_definition_is_sound_and_every_command_teaches_by_example() {
    let mut cli = Cli::command();
    cli.build();
    cli.clone().debug_assert();
    assert!(teaches(&mut cli) >= 2);
}

/// How many commands below this one show an example; each must.
fn teaches(command: &mut clap::Command) -> usize {
    let mut taught = 0;
    for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.starts_with('`'), "{command}: {about}");
        if command.has_subcommands() {
            taught += teaches(command);
        } else {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  fleetstream "), "{help}");
            taught += 1;
        }
    }
    taught
}

#[test]
fn run_takes_its_flags_as_settings() {
    let args: RunArgs = parse(&[
        "--config",
        "fleet.toml",
        "--data-dir",
        "d",
        "--listen",
        "127.0.0.1:0",
        "--strict-audit",
        "--set-aside-tail",
        "--set",
        "commit.max_delay=1s",
        "--set",
        "log.level = info,sinks=debug",
    ])
    .expect("valid arguments");
    assert!(args.set_aside_tail);
    let effective = RunArgs { config: None, ..args }.load().expect("valid settings");
    let config = &effective.config;
    assert_eq!(config.data_dir, PathBuf::from("d"));
    assert_eq!(config.http.listen.port(), 0);
    assert!(config.strict_audit);
    assert_eq!(config.commit.max_delay.as_secs(), 1);
    assert_eq!(config.log.level.to_string(), "info,sinks=debug");
}

#[test]
fn a_mistake_in_a_flag_names_the_flag() {
    let args: RunArgs =
        parse(&["--listen", "here", "--set", "shard=2"]).expect("well-formed arguments");
    assert_eq!(
        args.load().expect_err("two mistakes").to_string(),
        "2 mistakes in the configuration\n\
         flag --listen: http.listen: expected an IP address and a port, such as \
         \"127.0.0.1:8080\" or \"[::]:8080\", found \"here\"\n\
         flag --set: shard: unknown key; did you mean shards?"
    );
}

#[test]
fn replay_runs_on_event_time_whatever_else_is_set() {
    let args: ReplayArgs = parse(&[
        "--pings",
        "a.csv",
        "b.csv",
        "--fences",
        "f.json",
        "--out",
        "o",
        "--shuffle-seconds",
        "600",
        "--seed",
        "7",
        "--duplicate",
        "0.05",
        "--shards",
        "4",
        "--profile",
        "plain",
        "--set",
        "clock=wall",
    ])
    .expect("valid arguments");
    assert_eq!((args.pings.len(), args.shuffle_seconds, args.seed), (2, 600, 7));
    let config = args.load().expect("valid settings").config;
    assert_eq!(config.clock, config::Clock::Event);
    assert_eq!(config.shards, 4);
    assert_eq!(config.detection.profile, geofence::Profile::Plain);
    assert_eq!(config.fences, Some("f.json".into()));
}

#[test]
fn demo_listens_on_this_machine_only() {
    let args: DemoArgs = parse(&["--speed", "600", "--port", "0"]).expect("valid arguments");
    assert_eq!(args.speed, 600.0);
    let config = args.load("d").expect("valid settings").config;
    assert_eq!(config.http.listen, "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(config.clock, config::Clock::Event);
}

#[test]
fn numbers_out_of_range_are_usage_mistakes() {
    for bad in ["0", "-1", "NaN", "inf", "fast"] {
        assert!(parse::<DemoArgs>(&["--speed", bad]).is_err(), "{bad}");
    }
    for bad in ["-0.1", "1.01", "NaN"] {
        let arguments =
            ["--pings", "a", "--fences", "f", "--out", "o", &format!("--duplicate={bad}")];
        assert!(parse::<ReplayArgs>(&arguments).is_err(), "{bad}");
    }
    for bad in ["shards", "=1", " =1"] {
        assert!(parse::<RunArgs>(&["--set", bad]).is_err(), "{bad}");
    }
}
