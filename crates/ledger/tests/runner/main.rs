//! The ledger against crashes, damage, full disks and crowds.

mod crash;
mod crowd;
mod damage;
mod full_disk;
mod reading;
mod world;
