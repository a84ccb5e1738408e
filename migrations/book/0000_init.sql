CREATE TABLE `calls` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`key_id` text NOT NULL,
	`model_id` text NOT NULL,
	`node_id` text,
	`outcome` text NOT NULL,
	`error_code` text,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`hold_nanos` integer NOT NULL,
	`charge_nanos` integer NOT NULL,
	`started_at` integer NOT NULL,
	`first_token_at` integer,
	`ended_at` integer NOT NULL,
	`detail` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `calls_account` ON `calls` (`account_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `calls_node` ON `calls` (`node_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `calls_started` ON `calls` (`started_at`);--> statement-breakpoint
CREATE TABLE `cursors` (
	`account_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `legs` (
	`account_id` text NOT NULL,
	`seq` integer NOT NULL,
	`leg` integer NOT NULL,
	`transfer_id` text NOT NULL,
	`party` text NOT NULL,
	`role` text NOT NULL,
	`amount_nanos` integer NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`account_id`, `seq`, `leg`)
);
--> statement-breakpoint
CREATE INDEX `legs_party` ON `legs` (`party`,`at`);--> statement-breakpoint
CREATE INDEX `legs_transfer` ON `legs` (`transfer_id`);--> statement-breakpoint
CREATE TABLE `lines` (
	`account_id` text NOT NULL,
	`seq` integer NOT NULL,
	`transfer_id` text NOT NULL,
	`kind` text NOT NULL,
	`delta_nanos` integer NOT NULL,
	`prev_hash` text NOT NULL,
	`hash` text NOT NULL,
	`body` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`account_id`, `seq`)
);
--> statement-breakpoint
CREATE INDEX `lines_transfer` ON `lines` (`transfer_id`);--> statement-breakpoint
CREATE TABLE `rollups_hour` (
	`hour` integer NOT NULL,
	`account_id` text NOT NULL,
	`key_id` text NOT NULL,
	`model_id` text NOT NULL,
	`node_id` text NOT NULL,
	`calls` integer NOT NULL,
	`errors` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`charge_nanos` integer NOT NULL,
	`operator_nanos` integer NOT NULL,
	`author_nanos` integer NOT NULL,
	`house_nanos` integer NOT NULL,
	PRIMARY KEY(`hour`, `account_id`, `key_id`, `model_id`, `node_id`)
);
--> statement-breakpoint
CREATE INDEX `rollups_account` ON `rollups_hour` (`account_id`,`hour`);--> statement-breakpoint
CREATE INDEX `rollups_node` ON `rollups_hour` (`node_id`,`hour`);