"""What a policy allows: hours, exemptions, roll-out and enrolment."""
