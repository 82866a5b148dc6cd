-- Orders that an exchange said it had never seen are looked for a while longer, and booked when they
-- came after all: 'unseen' becomes 'filled', 'void' or 'disputed'.
CREATE INDEX bot_orders_unseen ON bot_orders (sent_us) WHERE result = 'unseen';
