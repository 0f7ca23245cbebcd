//! The scheduler.

use std::time::Duration;

/// Asks that the calling thread, when it wakes, runs before threads that are in the middle of longer slices: for one that
/// works little and that others wait for. Its share of the processor stays the same. `slice` is held by the kernel between
/// 0.1 ms and 100 ms. `false`: the system has no such thing (Linux before 6.12) and nothing has changed.
pub fn prefer_short_slices(slice: Duration) -> bool {
    #[cfg(target_os = "linux")]
    {
        let size = size_of::<libc::sched_attr>() as u32;
        let Ok(slice_ns) = u64::try_from(slice.as_nanos()) else { return false };
        // SAFETY: a plain struct of integers, for which zeros are a value.
        #[allow(unsafe_code, reason = "neither the C library nor rustix wraps these two calls")]
        let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes at most `size` bytes to the struct, which lives until after the call.
        #[allow(unsafe_code, reason = "as above")]
        let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        let shares = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(|policy| policy as u32);
        if got != 0 || !shares.contains(&attributes.sched_policy) {
            return false;
        }
        attributes.sched_runtime = slice_ns;
        // SAFETY: the kernel reads the struct, whose `size` says how long it is.
        #[allow(unsafe_code, reason = "as above")]
        let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        set == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = slice;
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_slice_is_what_was_asked_for_where_the_kernel_says_it_took_it() {
        let took = prefer_short_slices(Duration::from_micros(300));
        // Only kernels with their debugging information show it.
        let Ok(shown) = std::fs::read_to_string("/proc/thread-self/sched") else { return };
        let slice = shown.lines().find(|line| line.starts_with("se.slice"));
        let Some(slice) = slice.and_then(|line| line.rsplit(' ').next()) else { return };
        assert_eq!(slice == "300000", took, "{slice}");
    }
}
