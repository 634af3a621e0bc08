//! The table of system calls as filters that the kernel runs, and their way in.
//!
//! Filters stack and the strictest answer wins, so refusals with an error number are small filters of their own before
//! the list that ends everything else. A filter cannot be taken out again. Nothing here decides what is listed.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::syscalls::{Only, Row, Verdict, rows};
use super::{SandboxError, Side};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Limits the process to its side's rows, in every thread, for good. `left_out` takes one row away, by name.
///
/// # Errors
/// [`SandboxError::Filter`]: a kernel without seccomp filters, or a process that may not install them.
pub(super) fn install(side: Side, left_out: Option<&str>) -> Result<(), SandboxError> {
    let mut programs = Vec::new();
    let kept = rows(side).filter(|row| Some(row.name) != left_out);
    for row in kept.clone() {
        if let Verdict::Refuse(errno) = row.verdict {
            let action = SeccompAction::Errno(errno.unsigned_abs());
            programs.push(compile(Rules::from([(row.number, Vec::new())]), SeccompAction::Allow, action)?);
        }
    }
    programs.push(compile(listed(kept)?, SeccompAction::KillProcess, SeccompAction::Allow)?);
    apply(&programs)
}

/// A first filter for the dark side and for the camera's program that it starts: nothing of the network, whatever the
/// program does. Local sockets and the kernel's device news stay, as camera programs use them.
///
/// # Errors
/// As [`install`].
pub(super) fn install_no_network() -> Result<(), SandboxError> {
    let foreign = [libc::AF_UNIX, libc::AF_NETLINK]
        .iter()
        .map(|family| {
            let family = u64::from(family.unsigned_abs());
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
        })
        .collect::<Result<Vec<_>, _>>()
        .and_then(SeccompRule::new)
        .map_err(broken)?;
    // io_uring makes sockets without the system call that is filtered.
    let rules = Rules::from_iter(ABIS.iter().flat_map(|abi| {
        [(abi | libc::SYS_socket, vec![foreign.clone()]), (abi | libc::SYS_io_uring_setup, Vec::new())]
    }));
    let refuse = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    apply(&[compile(rules, SeccompAction::Allow, refuse)?])
}

/// What is set in a call's number: nothing, and on x86-64 the bit of the x32 ABI, which shares the architecture's
/// number. A list refuses such a call as unknown; a filter that allows what it does not know has to name it.
const ABIS: &[i64] = if cfg!(target_arch = "x86_64") { &[0, 0x4000_0000] } else { &[0] };

/// The rules of all rows, by call. A row without conditions lets its call through as it is.
fn listed(rows: impl Iterator<Item = &'static Row>) -> Result<Rules, SandboxError> {
    let mut rules = Rules::new();
    for row in rows {
        let chain = rules.entry(row.number).or_default();
        let Verdict::Allow(only) = row.verdict else { continue };
        let conditions = only.into_iter().filter_map(condition).collect::<Result<Vec<_>, _>>().map_err(broken)?;
        if !conditions.is_empty() {
            chain.push(SeccompRule::new(conditions).map_err(broken)?);
        }
    }
    Ok(rules)
}

fn condition(only: Only) -> Option<Result<SeccompCondition, seccompiler::BackendError>> {
    match only {
        Only::Any => None,
        Only::Is(arg, value) => {
            Some(SeccompCondition::new(arg, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(value)))
        }
        Only::Bits(arg, mask, value) => {
            Some(SeccompCondition::new(arg, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value))
        }
    }
}

fn compile(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram, SandboxError> {
    #[cfg(target_arch = "x86_64")]
    const HERE: TargetArch = TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    const HERE: TargetArch = TargetArch::aarch64;
    SeccompFilter::new(rules, otherwise, matched, HERE).and_then(BpfProgram::try_from).map_err(broken)
}

fn apply(programs: &[BpfProgram]) -> Result<(), SandboxError> {
    programs
        .iter()
        .try_for_each(|program| apply_filter_all_threads(program))
        .map_err(|source| SandboxError::Filter { source })
}

fn broken(error: seccompiler::BackendError) -> SandboxError {
    SandboxError::Filter { source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_tables_compile_and_name_each_row_once() {
        for side in [Side::Dark, Side::Lit] {
            let names: Vec<_> = rows(side).map(|row| row.name).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{side}: a name stands twice");
            assert!(rows(side).all(|row| row.why.len() > 8), "{side}: each row has its reason");
            let rules = listed(rows(side)).unwrap();
            let program = compile(rules, SeccompAction::KillProcess, SeccompAction::Allow).unwrap();
            assert!(program.len() < 1000, "{side}: {} steps", program.len());
        }
    }

    #[test]
    fn a_bound_call_is_not_also_listed_without_bounds() {
        for side in [Side::Dark, Side::Lit] {
            for row in rows(side).filter(|row| row.verdict == Verdict::Allow([Only::Any; 2])) {
                assert_eq!(rows(side).filter(|other| other.number == row.number).count(), 1, "{side}: {}", row.name);
            }
        }
    }

    #[test]
    fn neither_side_may_make_streams_processes_or_code() {
        for side in [Side::Dark, Side::Lit] {
            for (name, number) in [
                ("listen", libc::SYS_listen),
                ("execve", libc::SYS_execve),
                ("execveat", libc::SYS_execveat),
                ("ptrace", libc::SYS_ptrace),
                ("io_uring_setup", libc::SYS_io_uring_setup),
                ("memfd_create", libc::SYS_memfd_create),
                ("sendmsg", libc::SYS_sendmsg),
                ("recvmsg", libc::SYS_recvmsg),
            ] {
                assert!(rows(side).all(|row| row.number != number), "{side}: {name}");
            }
        }
        for number in [libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_sendto] {
            assert!(rows(Side::Dark).all(|row| row.number != number), "the dark side sends nothing");
        }
        let datagram = Only::Bits(1, 0xf, libc::SOCK_DGRAM.cast_unsigned().into());
        let sockets = || rows(Side::Lit).filter(|row| row.number == libc::SYS_socket);
        assert!(sockets().all(|row| matches!(row.verdict, Verdict::Allow([Only::Is(0, _), kind]) if kind == datagram)));
        assert_eq!(sockets().count(), 2, "over IPv4 and IPv6");
    }
}
