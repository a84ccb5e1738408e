CREATE INDEX `calls_key` ON `calls` (`account_id`,`key_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `calls_model` ON `calls` (`account_id`,`model_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `calls_outcome` ON `calls` (`account_id`,`outcome`,`started_at`);