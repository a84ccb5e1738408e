CREATE TABLE `audits` (
	`id` text PRIMARY KEY NOT NULL,
	`pair_id` text,
	`node_id` text NOT NULL,
	`model_id` text NOT NULL,
	`kind` text NOT NULL,
	`outcome` text NOT NULL,
	`detail` text,
	`cost_nanos` integer NOT NULL,
	`paid_nanos` integer,
	`suspicion` integer NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audits_node` ON `audits` (`node_id`,`model_id`,`at`);--> statement-breakpoint
CREATE INDEX `audits_at` ON `audits` (`at`);--> statement-breakpoint
CREATE TABLE `call_shapes` (
	`model_id` text NOT NULL,
	`slot` integer NOT NULL,
	`shape` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`model_id`, `slot`)
);
--> statement-breakpoint
CREATE TABLE `canaries` (
	`id` text PRIMARY KEY NOT NULL,
	`digest` text NOT NULL,
	`path` text NOT NULL,
	`request` text NOT NULL,
	`answer` text NOT NULL,
	`agreed` integer NOT NULL,
	`made_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `canaries_digest` ON `canaries` (`digest`,`made_at`);--> statement-breakpoint
CREATE TABLE `canary_uses` (
	`canary_id` text NOT NULL,
	`node_id` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`canary_id`, `node_id`)
);
--> statement-breakpoint
CREATE TABLE `offer_slots` (
	`model_id` text NOT NULL,
	`node_id` text NOT NULL,
	`at` integer NOT NULL,
	`attempts` integer NOT NULL,
	`served` integer NOT NULL,
	`busy` integer NOT NULL,
	`first_token_p50` integer,
	`first_token_p90` integer,
	`units_per_ks` integer,
	PRIMARY KEY(`model_id`, `node_id`, `at`)
);
--> statement-breakpoint
CREATE INDEX `offer_slots_at` ON `offer_slots` (`at`);--> statement-breakpoint
CREATE TABLE `sanctions` (
	`id` text PRIMARY KEY NOT NULL,
	`node_id` text NOT NULL,
	`operator_account_id` text NOT NULL,
	`what` text NOT NULL,
	`by` text NOT NULL,
	`reason` text NOT NULL,
	`evidence` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sanctions_node` ON `sanctions` (`node_id`,`at`);--> statement-breakpoint
CREATE INDEX `sanctions_operator` ON `sanctions` (`operator_account_id`,`at`);--> statement-breakpoint
ALTER TABLE `nodes` ADD `region` text;--> statement-breakpoint
ALTER TABLE `offers` ADD `parameters` text;--> statement-breakpoint
ALTER TABLE `offers` ADD `continues` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `offers` ADD `collects_data` integer;--> statement-breakpoint
ALTER TABLE `offers` ADD `busy_ppm` integer;--> statement-breakpoint
ALTER TABLE `offers` ADD `in_flight_cap` integer;--> statement-breakpoint
ALTER TABLE `offers` ADD `windows` text;--> statement-breakpoint
ALTER TABLE `offers` ADD `trust_ppm` integer;