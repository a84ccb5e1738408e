CREATE TABLE `admin_log` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`by` text NOT NULL,
	`account_id` text NOT NULL,
	`action` text NOT NULL,
	`target` text NOT NULL,
	`body` text NOT NULL,
	`status` integer NOT NULL,
	`request_id` text NOT NULL,
	`prev_hash` text NOT NULL,
	`hash` text NOT NULL,
	`signature` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `disputes` (
	`id` text PRIMARY KEY NOT NULL,
	`call_id` text NOT NULL,
	`account_id` text NOT NULL,
	`kind` text NOT NULL,
	`words` text NOT NULL,
	`state` text NOT NULL,
	`cost_nanos` integer NOT NULL,
	`refunded_nanos` integer,
	`model_id` text NOT NULL,
	`node_id` text,
	`refunding` text,
	`answer` text,
	`decided_by` text,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	`version` integer DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `disputes_call` ON `disputes` (`call_id`);--> statement-breakpoint
CREATE INDEX `disputes_account` ON `disputes` (`account_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `disputes_state` ON `disputes` (`state`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `disputes_created` ON `disputes` (`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `model_rules` (
	`operator_account_id` text NOT NULL,
	`model_id` text NOT NULL,
	`rule` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`operator_account_id`, `model_id`)
);
--> statement-breakpoint
CREATE TABLE `parameter_entries` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`n` integer NOT NULL,
	`value` integer NOT NULL,
	`before` integer NOT NULL,
	`reason` text NOT NULL,
	`by` text NOT NULL,
	`at` integer NOT NULL,
	`effective_at` integer NOT NULL,
	`withdrawn_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `parameter_entries_name` ON `parameter_entries` (`name`,`n`);--> statement-breakpoint
CREATE TABLE `reports` (
	`id` text PRIMARY KEY NOT NULL,
	`about` text NOT NULL,
	`subject` text NOT NULL,
	`kind` text NOT NULL,
	`words` text NOT NULL,
	`reporter` text NOT NULL,
	`state` text NOT NULL,
	`answer` text,
	`decided_by` text,
	`created_at` integer NOT NULL,
	`decided_at` integer,
	`version` integer DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE INDEX `reports_state` ON `reports` (`state`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `reports_reporter` ON `reports` (`reporter`,`created_at`);--> statement-breakpoint
CREATE INDEX `reports_created` ON `reports` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `accounts_created` ON `accounts` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `models_state` ON `models` (`state`,`id`);--> statement-breakpoint
CREATE INDEX `nodes_state_created` ON `nodes` (`state`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `nodes_created` ON `nodes` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `nodes_name` ON `nodes` (lower("name"),`id`);--> statement-breakpoint
CREATE INDEX `wallets_lower` ON `wallets` (lower("address"));