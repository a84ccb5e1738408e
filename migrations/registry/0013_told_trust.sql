ALTER TABLE `offers` ADD `told_trust_ppm` integer;--> statement-breakpoint
ALTER TABLE `offers` ADD `told_day` integer;