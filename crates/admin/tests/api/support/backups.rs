//! A test double of backups: they run until the test says otherwise.

use std::path::Path;

use halley_core::ports::backup::{BackupRefused, BackupStage, BackupStatus, Backups};

use super::world::World;

impl Backups for World {
    fn begin(&self, directory: &Path) -> Result<(), BackupRefused> {
        let mut contents = self.contents.lock();
        if contents.backup.as_ref().is_some_and(|backup| backup.stage == BackupStage::Running) {
            return Err(BackupRefused::Busy);
        }
        contents.backup = Some(BackupStatus {
            directory: directory.to_owned(),
            stage: BackupStage::Running,
            done_bytes: 1,
            total_bytes: 2,
            begun_ms: 3,
        });
        Ok(())
    }

    fn status(&self) -> Option<BackupStatus> {
        self.contents.lock().backup.clone()
    }
}
