CREATE TABLE `alerts` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`detail` text NOT NULL,
	`at` integer NOT NULL,
	`resolved_at` integer,
	`resolved_by` text,
	`resolution` text
);
--> statement-breakpoint
CREATE INDEX `alerts_open` ON `alerts` (`resolved_at`,`at`);--> statement-breakpoint
CREATE INDEX `alerts_subject` ON `alerts` (`subject`);--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`webhook_id` text NOT NULL,
	`event_id` text NOT NULL,
	`state` text NOT NULL,
	`tries` integer NOT NULL,
	`next_at` integer,
	`status` integer,
	`error` text,
	`tried_at` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `deliveries_webhook` ON `deliveries` (`webhook_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`next_at`);--> statement-breakpoint
CREATE INDEX `deliveries_event` ON `deliveries` (`event_id`);--> statement-breakpoint
CREATE TABLE `events` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`kind` text NOT NULL,
	`data` text NOT NULL,
	`at` integer NOT NULL,
	`spread_at` integer
);
--> statement-breakpoint
CREATE INDEX `events_account` ON `events` (`account_id`,`at`);--> statement-breakpoint
CREATE INDEX `events_new` ON `events` (`spread_at`);--> statement-breakpoint
CREATE TABLE `payments` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`amount_nanos` integer NOT NULL,
	`transfer_id` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `payments_account` ON `payments` (`account_id`);--> statement-breakpoint
CREATE TABLE `price_versions` (
	`node_id` text NOT NULL,
	`model_id` text NOT NULL,
	`version` integer NOT NULL,
	`input_price_nanos` integer NOT NULL,
	`output_price_nanos` integer NOT NULL,
	`cached_input_price_nanos` integer NOT NULL,
	`bytes_price_nanos` integer NOT NULL,
	`call_price_nanos` integer NOT NULL,
	`from_at` integer NOT NULL,
	PRIMARY KEY(`node_id`, `model_id`, `version`)
);
--> statement-breakpoint
CREATE TABLE `webhooks` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`url` text NOT NULL,
	`kinds` text,
	`sealed_secret` text NOT NULL,
	`created_at` integer NOT NULL,
	`disabled_at` integer,
	`reason` text
);
--> statement-breakpoint
CREATE INDEX `webhooks_account` ON `webhooks` (`account_id`);--> statement-breakpoint
CREATE TABLE `withdrawals` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`transfer_id` text NOT NULL,
	`amount_nanos` integer NOT NULL,
	`address` text NOT NULL,
	`state` text NOT NULL,
	`batch_id` text,
	`reference` text,
	`requested_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE INDEX `withdrawals_state` ON `withdrawals` (`state`,`requested_at`);--> statement-breakpoint
CREATE INDEX `withdrawals_account` ON `withdrawals` (`account_id`);--> statement-breakpoint
CREATE INDEX `withdrawals_batch` ON `withdrawals` (`batch_id`);--> statement-breakpoint
ALTER TABLE `accounts` ADD `book` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `offers` ADD `drift_ppm` integer;--> statement-breakpoint
ALTER TABLE `offers` ADD `price_version` integer DEFAULT 1 NOT NULL;