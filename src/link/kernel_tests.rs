//! Tests of what the kernel does to a link, in network namespaces of their own.
//!
//! Interfaces go down and up, a queue fills, a disk is full. Where namespaces are not allowed they say "not run".

use std::net::{Ipv6Addr, UdpSocket};
use std::process::Command;

use super::socket_tests::{assert_multicast, drive, heard, moment, receiver, to, unit};
use super::*;

/// Runs the test `inside` alone in namespaces of its own: network (only a loopback, down), users, mounts.
fn in_own_namespaces(inside: &str) {
    let program = std::env::current_exe().expect("this test");
    let path = format!("{}::{inside}", module_path!().split_once("::").expect("a path").1);
    let run =
        Command::new("unshare").args(["-r", "-n", "-m"]).arg(program).args(["--ignored", "--exact", &path]).output();
    let run = run.expect("util-linux's unshare");
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    if said.contains("Operation not permitted") && said.starts_with("unshare") {
        println!("not run: namespaces are not allowed here: {said}");
        return;
    }
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

fn sh(line: &str) {
    let done = Command::new("sh").args(["-c", line]).output().expect("a shell");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

fn netdevice_index(name: &str) -> u32 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    rustix::net::netdevice::name_to_index(&socket, name).expect("an interface")
}

#[test]
fn ipv6_multicast_and_link_local_arrive() {
    in_own_namespaces("inside_ipv6_groups");
}

#[test]
#[ignore = "needs a network namespace: started by ipv6_multicast_and_link_local_arrive"]
fn inside_ipv6_groups() {
    sh("ip link set lo up && ip link add out type veth peer name far && ip link set far up");
    sh("ip link set out addrgenmode none && ip link set out up && ip addr add fe80::7/64 dev out nodad");
    let group = receiver("[::]:0");
    group.join_multicast_v6(&"ff12::77:1".parse::<Ipv6Addr>().expect("group"), netdevice_index("out")).expect("joined");
    assert_multicast(&group, "[ff12::77:1]", "out");
    assert_multicast(&receiver("[::]:0"), "[fe80::7]", "out");
}

#[test]
fn an_interface_goes_down_and_comes_up() {
    in_own_namespaces("inside_down_and_up");
}

#[test]
#[ignore = "needs a network namespace: started by an_interface_goes_down_and_comes_up"]
fn inside_down_and_up() {
    let socket = receiver("127.0.0.1:5600");
    let mut link = to("127.0.0.1:5600".parse().expect("address"));
    let mut seen = String::new();
    for frame in 0..200 {
        match frame {
            30 | 130 => sh("ip link set lo up"),
            90 => sh("ip link set lo down"),
            _ => {}
        }
        link.push(&unit(frame % 10 == 0, 100), moment(frame * 33));
        drive(&mut link, moment(frame * 33), moment(frame * 33 + 33));
        if frame % 10 == 0 {
            seen.push(if heard(&socket, 0).is_empty() { '.' } else { 'K' });
        }
    }
    // Down at first, up at the fourth group, down again from the tenth on (which is looked at before it is sent), up at
    // the fourteenth; a pause of up to 2 s may cost some more groups.
    assert!(seen.starts_with("...") && seen[10..13] == *"...", "{seen}");
    assert!(seen[..9].ends_with('K') && seen.ends_with("KK"), "{seen}");
    // Linux refuses to connect over an interface that is down, but swallows what a connected socket sends over one.
    let counts = link.counts();
    assert!(counts.down >= 2 && counts.units_dropped >= 20 && counts.units_cut == 0, "{counts:?}");
}

#[test]
fn a_full_kernel_buffer_is_tried_again_and_what_grows_old_is_thrown() {
    in_own_namespaces("inside_slow_interface");
}

#[test]
#[ignore = "needs a network namespace: started by a_full_kernel_buffer_is_tried_again_and_what_grows_old_is_thrown"]
fn inside_slow_interface() {
    // A radio of 80 kb/s with a long queue: the socket's own buffer fills.
    sh("ip link add out type veth peer name far && ip addr add 10.7.7.1/24 dev out && ip link set far up");
    sh("ip link set out up");
    sh("tc qdisc add dev out root tbf rate 80kbit burst 1600 limit 10000000");
    sh("ip neigh add 10.7.7.2 lladdr 02:00:00:00:00:02 dev out");
    let mut link = to("10.7.7.2:5600".parse().expect("address"));
    for frame in 0..300 {
        link.push(&unit(frame % 30 == 0, 8000), moment(frame * 33));
        drive(&mut link, moment(frame * 33), moment(frame * 33 + 33));
    }
    let counts = link.counts();
    assert!(counts.busy > 100, "{counts:?}");
    assert!(counts.units_dropped > 50 && counts.down == 0 && counts.opened == 1, "{counts:?}");
    assert!(link.queue.len() < 200, "what waits stays short: {}", link.queue.len());
}

#[test]
fn a_full_disk_leaves_the_old_description() {
    in_own_namespaces("inside_full_disk");
}

#[test]
#[ignore = "needs a mount namespace: started by a_full_disk_leaves_the_old_description"]
fn inside_full_disk() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("voile.sdp");
    sh(&format!("mount -t tmpfs -o size=8k none {}", folder.path().display()));
    write_sdp(&path, "old").expect("written");
    std::fs::write(folder.path().join("fill"), [1; 4096]).expect("filled");
    let line = write_sdp(&path, "new").expect_err("full").to_string();
    assert!(line.contains("voile.sdp: No space left on device") && !line.contains('\n'), "{line}");
    assert!(line.ends_with("free some space, or choose another link.sdp"), "{line}");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "old");
    sh(&format!("umount {}", folder.path().display()));
}
