-- Who lost the id of a reservation finds it among their own.
create index reservations_by_account on reservations (account_id, id);
