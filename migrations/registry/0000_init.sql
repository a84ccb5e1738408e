CREATE TABLE `accounts` (
	`id` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `authors` (
	`handle` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `authors_account` ON `authors` (`account_id`);--> statement-breakpoint
CREATE TABLE `credit_codes` (
	`code_hash` text PRIMARY KEY NOT NULL,
	`amount_nanos` integer NOT NULL,
	`reason` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`redeemed_by` text,
	`redeemed_at` integer
);
--> statement-breakpoint
CREATE TABLE `models` (
	`id` text PRIMARY KEY NOT NULL,
	`digest` text NOT NULL,
	`task` text NOT NULL,
	`author_account_id` text NOT NULL,
	`royalty_bps` integer NOT NULL,
	`manifest` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `models_digest` ON `models` (`digest`);--> statement-breakpoint
CREATE TABLE `nodes` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`operator_account_id` text NOT NULL,
	`operator_address` text NOT NULL,
	`node_key` text NOT NULL,
	`settlement_key` text NOT NULL,
	`endpoint` text NOT NULL,
	`state` text NOT NULL,
	`reason` text,
	`proved_at` integer,
	`seen_at` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_key` ON `nodes` (`node_key`);--> statement-breakpoint
CREATE INDEX `nodes_operator` ON `nodes` (`operator_account_id`);--> statement-breakpoint
CREATE INDEX `nodes_state` ON `nodes` (`state`);--> statement-breakpoint
CREATE TABLE `nonces` (
	`nonce` text PRIMARY KEY NOT NULL,
	`presession_hash` text,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `nonces_expiry` ON `nonces` (`expires_at`);--> statement-breakpoint
CREATE TABLE `offers` (
	`node_id` text NOT NULL,
	`model_id` text NOT NULL,
	`state` text NOT NULL,
	`reason` text,
	`input_price_nanos` integer NOT NULL,
	`output_price_nanos` integer NOT NULL,
	`cached_input_price_nanos` integer NOT NULL,
	`bytes_price_nanos` integer NOT NULL,
	`call_price_nanos` integer NOT NULL,
	`context_tokens` integer NOT NULL,
	`output_tokens_max` integer NOT NULL,
	`concurrency_max` integer NOT NULL,
	`breaker` text DEFAULT 'closed' NOT NULL,
	`breaker_until` integer,
	`success_ppm` integer,
	`first_token_ms` integer,
	`units_per_ks` integer,
	`in_flight` integer DEFAULT 0 NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`node_id`, `model_id`)
);
--> statement-breakpoint
CREATE INDEX `offers_model` ON `offers` (`model_id`,`state`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`address` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE INDEX `sessions_account` ON `sessions` (`account_id`);--> statement-breakpoint
CREATE INDEX `sessions_expiry` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `wallets` (
	`address` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`added_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `wallets_account` ON `wallets` (`account_id`);