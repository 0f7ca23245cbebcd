//! What an open changes: the torn tail is zeroed, what is not proven durable is written again, both are synced.

use crate::error::OpenError;
use crate::files::{File, Files, read_full, write_zeros};
use crate::format::BATCH_HEADER_BYTES;
use crate::ids::Position;
use crate::log::Torn;
use crate::segments::{is_rewrite, name_of};
use crate::survey::Survey;

/// What was done.
pub(crate) struct Repaired {
    pub(crate) torn: Option<Torn>,
    pub(crate) rewritten_bytes: u64,
    /// Zeros of the segment after the tail, when it exists and is blank.
    pub(crate) spare_bytes: Option<u32>,
}

/// Makes the end that the survey found the durable end of the log.
///
/// After a failed sync and a restart without a power cut, the page cache may show bytes that will never reach the
/// disk: their pages count as clean. So everything above the highest mark is written again before it is synced, and the
/// zeros behind the end too: on the disk there may still be what an earlier attempt has cut. Only a clean end needs
/// neither.
pub(crate) fn repair(files: &dyn Files, survey: &Survey) -> Result<Repaired, OpenError> {
    let mut torn_bytes = drop_later(files, survey)?;
    let tail = &survey.segments[survey.tail];
    let name = name_of(tail.number);
    let file = files.open(&name).map_err(OpenError::io("open segment", &name))?;
    let stop = u64::from(survey.stop.offset());
    if let Some(last) = survey.last_used {
        torn_bytes += last + 1 - stop;
    }
    if torn_bytes > 0 || !survey.last_flags.is_clean() {
        write_zeros(file.as_ref(), stop, tail.bytes).map_err(OpenError::io("cut segment", &name))?;
    }
    let rewritten_bytes = rewrite(files, survey, file.as_ref())?;
    file.sync_data().map_err(OpenError::io("sync segment", &name))?;
    drop_rewrites(files)?;
    files.sync_dir().map_err(OpenError::io("sync the directory", "."))?;
    let torn = (torn_bytes > 0).then_some(Torn { position: survey.stop, bytes: torn_bytes });
    let spare = survey.segments.get(survey.tail + 1).filter(|_| is_spare(survey, 0));
    Ok(Repaired { torn, rewritten_bytes, spare_bytes: spare.map(|spare| spare.bytes as u32) })
}

/// Whether the segment so far behind the one after the tail is the blank next one.
fn is_spare(survey: &Survey, index: usize) -> bool {
    index == 0 && survey.later_used.first().is_some_and(Option::is_none)
}

/// Removes what stands behind the tail, the highest first, each durably, so that no crash leaves a gap. A blank next
/// segment stays. Says how many used bytes went; the header of a rotation that was not completed is none.
fn drop_later(files: &dyn Files, survey: &Survey) -> Result<u64, OpenError> {
    let mut torn_bytes = 0;
    for (index, used) in survey.later_used.iter().enumerate().rev() {
        if is_spare(survey, index) {
            continue;
        }
        let segment = &survey.segments[survey.tail + 1 + index];
        let header_bytes = segment.own_header().map_or(0, |header| u64::from(header.header_bytes()));
        torn_bytes += used.map_or(0, |last| last + 1).saturating_sub(header_bytes);
        let name = name_of(segment.number);
        files.remove(&name).map_err(OpenError::io("remove segment", &name))?;
        files.sync_dir().map_err(OpenError::io("sync the directory", "."))?;
    }
    Ok(torn_bytes)
}

/// Removes what interrupted rewrites have left: the segments themselves are whole.
fn drop_rewrites(files: &dyn Files) -> Result<(), OpenError> {
    let names = files.list().map_err(OpenError::io("list the directory", "."))?;
    for name in names.iter().filter(|name| is_rewrite(name)) {
        files.remove(name).map_err(OpenError::io("remove", name))?;
    }
    Ok(())
}

/// Writes everything between the highest mark and the end again.
fn rewrite(files: &dyn Files, survey: &Survey, file: &dyn File) -> Result<u64, OpenError> {
    let tail = &survey.segments[survey.tail];
    let stop = survey.stop.offset();
    let mark = survey.durable;
    if mark.segment() == tail.number {
        return rewrite_range(file, tail.number, mark.offset(), stop);
    }
    // The tail segment has a header only: the mark is where the seal of the one before lies.
    let mut bytes = rewrite_range(file, tail.number, 0, stop)?;
    if let Some(before) = survey.tail.checked_sub(1).map(|index| &survey.segments[index])
        && mark.segment() == before.number
    {
        let until = Position::new(before.number, mark.offset()).plus(BATCH_HEADER_BYTES).offset();
        let until = until.min(before.bytes as u32);
        let name = name_of(before.number);
        let file = files.open(&name).map_err(OpenError::io("open segment", &name))?;
        bytes += rewrite_range(file.as_ref(), before.number, mark.offset(), until)?;
        file.sync_data().map_err(OpenError::io("sync segment", &name))?;
    }
    Ok(bytes)
}

fn rewrite_range(file: &dyn File, number: u32, from: u32, to: u32) -> Result<u64, OpenError> {
    let name = name_of(number);
    let mut buffer = vec![0; 1 << 20];
    let mut at = u64::from(from);
    while at < u64::from(to) {
        let wanted = (u64::from(to) - at).min(buffer.len() as u64) as usize;
        let count =
            read_full(file, &mut buffer[..wanted], at).map_err(OpenError::io("read segment", &name))?;
        if count == 0 {
            break;
        }
        file.write_all_at(&buffer[..count], at).map_err(OpenError::io("write segment", &name))?;
        at += count as u64;
    }
    Ok(at.saturating_sub(u64::from(from)))
}
