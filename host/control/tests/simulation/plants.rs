//! Bugs that are planted, to see that the simulation finds them: a checker that can't fail proves nothing.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A write whose lease was lost is made all the same.
    NoFence,
    /// A call of a provider that was dropped goes on.
    CallsGoOn,
    /// A volume that is to be removed stays.
    VolumeStays,
    /// Nobody looks at what an engine has.
    NoSweep,
    /// A deletion is acknowledged and not stored.
    DeleteForgotten,
    /// A store that starts anew does not have what was committed last.
    NotDurable,
    /// Some due work is never found.
    WorkHidden,
    /// A variable of an addon that is over comes back.
    VariableBack,
    /// Leases that a node has renewed run out all the same.
    RenewalForgotten,
    /// A provider is called before the intent is stored.
    NoIntent,
}

impl Plant {
    /// Each with the invariants one of which finds it first, and in how many rounds that has to be.
    pub(crate) const ALL: &[(Self, &[&str], u64)] = &[
        (Self::NoFence, &["no_late_write"], 300),
        (Self::CallsGoOn, &["calls_never_overlap"], 50),
        (Self::VolumeStays, &["object_has_owner"], 50),
        (
            Self::NoSweep,
            &["settles_within_deadline", "is_cleaned_up_within_deadline", "object_has_owner", "nothing_is_left"],
            100,
        ),
        (Self::DeleteForgotten, &["told_is_stored", "nothing_is_left"], 20),
        (Self::NotDurable, &["committed_stays"], 50),
        (Self::WorkHidden, &["settles_within_deadline"], 20),
        (Self::VariableBack, &["no_variable_of_the_dead"], 20),
        (Self::RenewalForgotten, &["acts_alone", "calls_never_overlap"], 200),
        (Self::NoIntent, &["intent_before_call"], 5),
    ];
}
