CREATE TABLE `statements` (
	`account_id` text NOT NULL,
	`number` integer NOT NULL,
	`month` text NOT NULL,
	`body` text NOT NULL,
	`signature` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`account_id`, `number`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `statements_month` ON `statements` (`account_id`,`month`);--> statement-breakpoint
ALTER TABLE `calls` ADD `price_version` integer;--> statement-breakpoint
CREATE INDEX `lines_kind` ON `lines` (`kind`,`at`);--> statement-breakpoint
CREATE INDEX `lines_account_at` ON `lines` (`account_id`,`at`);