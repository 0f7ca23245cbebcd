//! The scheduler.

use std::time::Duration;

/// Asks that the calling thread, when it wakes, runs before threads that are in the middle of longer slices: for one that
/// works little and that others wait for. Its share of the processor stays the same. The kernel holds `slice` between 0.1 ms
/// and 100 ms. `false`: nothing has changed, because it has no such thing (Linux before 6.12) or does not allow it.
pub fn prefer_short_slices(slice: Duration) -> bool {
    #[cfg(target_os = "linux")]
    {
        linux::ask_for(slice)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = slice;
        false
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    pub(super) fn ask_for(slice: Duration) -> bool {
        let Ok(slice_ns) = u64::try_from(slice.as_nanos()) else { return false };
        let Some(mut attributes) = attributes() else { return false };
        let shares = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(|policy| policy as u32);
        if !shares.contains(&attributes.sched_policy) {
            return false;
        }
        attributes.sched_runtime = slice_ns;
        // SAFETY: the kernel reads the struct, whose `size` says how long it is.
        #[allow(unsafe_code, reason = "neither the C library nor rustix wraps this call")]
        let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        // An older kernel takes it without an error, and does not know it afterwards.
        set == 0 && self::attributes().is_some_and(|attributes| attributes.sched_runtime != 0)
    }

    /// The calling thread's.
    pub(super) fn attributes() -> Option<libc::sched_attr> {
        let size = size_of::<libc::sched_attr>() as u32;
        // SAFETY: a plain struct of integers, for which zeros are a value.
        #[allow(unsafe_code, reason = "the C library has no constructor for it")]
        let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes at most `size` bytes to the struct, which lives until after the call.
        #[allow(unsafe_code, reason = "neither the C library nor rustix wraps this call")]
        let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        (got == 0).then_some(attributes)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_thread_has_the_slice_and_the_niceness_it_had_where_the_kernel_takes_it() {
        let before = linux::attributes().expect("may be asked");
        let took = prefer_short_slices(Duration::from_micros(300));
        let after = linux::attributes().expect("may be asked");
        assert_eq!((before.sched_policy, before.sched_nice), (after.sched_policy, after.sched_nice));
        assert_eq!(took, after.sched_runtime == 300_000, "{}", after.sched_runtime);
    }
}
