CREATE TABLE `refused_receipts` (
	`node_id` text NOT NULL,
	`jti` text NOT NULL,
	`code` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`node_id`, `jti`)
);
--> statement-breakpoint
CREATE INDEX `refused_receipts_at` ON `refused_receipts` (`node_id`,`at`);--> statement-breakpoint
CREATE INDEX `models_author` ON `models` (`author_account_id`,`id`);--> statement-breakpoint
CREATE INDEX `nodes_region` ON `nodes` (`region`,`state`,`link_down_at`);--> statement-breakpoint
CREATE INDEX `nodes_silent` ON `nodes` (`state`) WHERE link_down_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `offers_broken` ON `offers` (`node_id`) WHERE breaker = 'open';--> statement-breakpoint
CREATE INDEX `account_checks_at` ON `account_checks` (`at`);--> statement-breakpoint
CREATE INDEX `alerts_at` ON `alerts` (`at`,`id`);--> statement-breakpoint
CREATE INDEX `withdrawals_requested` ON `withdrawals` (`requested_at`,`id`);