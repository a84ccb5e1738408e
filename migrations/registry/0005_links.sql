CREATE TABLE `node_keys` (
	`node_key` text PRIMARY KEY NOT NULL,
	`node_id` text NOT NULL,
	`settlement_key` text NOT NULL,
	`from_at` integer NOT NULL,
	`until_at` integer
);
--> statement-breakpoint
CREATE INDEX `node_keys_node` ON `node_keys` (`node_id`);--> statement-breakpoint
CREATE TABLE `payout_addresses` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`address` text NOT NULL,
	`requested_by` text NOT NULL,
	`requested_at` integer NOT NULL,
	`effective_at` integer NOT NULL,
	`cancelled_at` integer
);
--> statement-breakpoint
CREATE INDEX `payout_addresses_account` ON `payout_addresses` (`account_id`,`effective_at`);--> statement-breakpoint
ALTER TABLE `models` ADD `state` text DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE `models` ADD `state_reason` text;--> statement-breakpoint
ALTER TABLE `models` ADD `replaced_by` text;--> statement-breakpoint
ALTER TABLE `models` ADD `state_at` integer;--> statement-breakpoint
ALTER TABLE `models` ADD `published_by` text;--> statement-breakpoint
ALTER TABLE `models` ADD `signature` text;--> statement-breakpoint
ALTER TABLE `nodes` ADD `wire_version` integer;--> statement-breakpoint
ALTER TABLE `nodes` ADD `link_up_at` integer;--> statement-breakpoint
ALTER TABLE `nodes` ADD `link_down_at` integer;