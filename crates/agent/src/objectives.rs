//! Whose objectives hold: asked by everything that judges a process, so that all give one answer.

use crate::command_name;
use crate::pool::TurnsOf;
use crate::service_name::name_matches;
use m5_report::doc::{ObjectivesFrom, ProcessRecord};
use m5_report::rules::ServiceObjectives;
use m5_stats::Objectives;

/// The objectives of all services, and of those that have some of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectivesByService {
    general: Objectives,
    from: ObjectivesFrom,
    services: Vec<ServiceObjectives>,
    event_loop_turns: bool,
}

/// Objectives that nobody put in a file, the same for all services.
impl From<Objectives> for ObjectivesByService {
    fn from(general: Objectives) -> Self {
        Self { general, ..Self::default() }
    }
}

impl ObjectivesByService {
    /// What holds for all, where it comes from, and what the settings say of services, in their order.
    #[must_use]
    pub fn new(general: Objectives, from: ObjectivesFrom, services: Vec<ServiceObjectives>) -> Self {
        Self { general, from, services, event_loop_turns: false }
    }

    /// Whether turns of event loops are exported where nothing is said of a service.
    #[must_use]
    pub fn with_event_loop_turns(self, event_loop_turns: bool) -> Self {
        Self { event_loop_turns, ..self }
    }

    /// Whose turns of event loops are exported.
    #[must_use]
    pub fn turns_of(&self) -> TurnsOf {
        let named = self.services.iter().map(|s| (s.name.clone(), s.event_loop_turns));
        TurnsOf { names: named.chain([("*".to_owned(), self.event_loop_turns)]).collect() }
    }

    /// What holds where nothing is said of a service.
    #[must_use]
    pub fn general(&self) -> (&Objectives, &ObjectivesFrom) {
        (&self.general, &self.from)
    }

    /// Services with objectives of their own, in the order of the settings.
    #[must_use]
    pub fn services(&self) -> &[ServiceObjectives] {
        &self.services
    }

    /// What holds for a service, and where that comes from: of the names that fit the first, else what holds for all.
    #[must_use]
    pub fn of(&self, service: &str) -> (&Objectives, ObjectivesFrom) {
        match self.services.iter().find(|s| name_matches(&s.name, service)) {
            None => (&self.general, self.from.clone()),
            Some(own) => {
                let profile = own.profile.unwrap_or(self.from.profile);
                let service = Some(own.name.clone());
                (&own.objectives, ObjectivesFrom { profile, service, ..self.from.clone() })
            }
        }
    }

    /// What holds for a process as it was recorded.
    #[must_use]
    pub fn of_record(&self, record: &ProcessRecord) -> (&Objectives, ObjectivesFrom) {
        self.of(&recorded_name(record))
    }

    /// Changes something in all of them.
    #[must_use]
    pub fn each(mut self, change: impl Fn(&mut Objectives)) -> Self {
        change(&mut self.general);
        self.services.iter_mut().for_each(|own| change(&mut own.objectives));
        self
    }
}

/// The service of a recorded process; recordings of before m5 wrote it down have the command line only.
#[must_use]
pub fn recorded_name(record: &ProcessRecord) -> String {
    record.service.clone().unwrap_or_else(|| command_name(&record.command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::bare_record;
    use m5_process::Identity;
    use m5_stats::Profile;

    fn own(name: &str, profile: Option<Profile>) -> ServiceObjectives {
        let objectives = Objectives::of(profile.unwrap_or_default());
        ServiceObjectives { name: name.to_owned(), profile, objectives, event_loop_turns: false }
    }

    #[test]
    fn the_first_name_that_fits_holds_and_is_told() {
        let file = ObjectivesFrom { file: Some("m5.toml".to_owned()), ..ObjectivesFrom::default() };
        let services = vec![own("app/*", None), own("a*", Some(Profile::Trading)), own("app", None)];
        let all = ObjectivesByService::new(Objectives::default(), file, services);
        let told = |name: &str| {
            let (objectives, from) = all.of(name);
            (objectives.rss_peak_bytes.is_some(), from.profile, from.service, from.file)
        };
        let file = || Some("m5.toml".to_owned());
        assert_eq!(told("app/worker"), (false, Profile::General, Some("app/*".to_owned()), file()));
        assert_eq!(told("app"), (true, Profile::Trading, Some("a*".to_owned()), file()));
        assert_eq!(told("引擎"), (false, Profile::General, None, file()));
    }

    #[test]
    fn a_recorded_process_is_known_by_the_name_it_had_then() {
        let all = ObjectivesByService::new(
            Objectives::default(),
            ObjectivesFrom::default(),
            vec![own("app/worker", Some(Profile::Trading)), own("engine", Some(Profile::Trading))],
        );
        let mut record = bare_record(Identity { pid: 7, start_ticks: 1 });
        record.command = vec!["python3".to_owned(), "/srv/engine.py".to_owned()];
        assert_eq!(all.of_record(&record).1.service.as_deref(), Some("engine"), "an old recording");
        record.service = Some("app/worker".to_owned());
        assert_eq!(all.of_record(&record).1.service.as_deref(), Some("app/worker"));
        record.service = Some("other".to_owned());
        assert_eq!(all.of_record(&record).1.service, None);
    }
}
