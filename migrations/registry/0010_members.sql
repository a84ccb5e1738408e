CREATE TABLE `invitations` (
	`id` text PRIMARY KEY NOT NULL,
	`code_hash` text NOT NULL,
	`account_id` text NOT NULL,
	`role` text NOT NULL,
	`note` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `invitations_code` ON `invitations` (`code_hash`);--> statement-breakpoint
CREATE INDEX `invitations_account` ON `invitations` (`account_id`);--> statement-breakpoint
CREATE TABLE `member_changes` (
	`address` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`role` text,
	`requested_by` text NOT NULL,
	`requested_at` integer NOT NULL,
	`effective_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `member_changes_account` ON `member_changes` (`account_id`);--> statement-breakpoint
CREATE INDEX `member_changes_due` ON `member_changes` (`effective_at`);--> statement-breakpoint
ALTER TABLE `accounts` ADD `members_version` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `wallets` ADD `role` text DEFAULT 'owner' NOT NULL;--> statement-breakpoint
ALTER TABLE `wallets` ADD `chain_id` integer;