-- The address that an account is to have once somebody confirms it from its mailbox. Whether another account has it, nobody learns before.
alter table accounts add column pending_email text collate "C";
create index accounts_pending_emails on accounts (id) where pending_email is not null;
